"""bin/report of an artifact."""

from command_lines import main, PROGRESS


def test_report_writes_a_page_of_pictures(digits_run, place, capsys):
  assert main('report', f'--artifact={digits_run}', '--output=page') == 0
  out, err = capsys.readouterr()
  assert out == 'page/index.html\n'
  assert not [line for line in err.splitlines() if not PROGRESS.fullmatch(line)]
  assert {path.name for path in (place / 'page').iterdir()} == {
      'index.html', 'reconstructions.png', 'samples.png', 'latents.png',
      'interpolations.png'}
