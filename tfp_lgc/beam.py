"""Very large jobs with Apache Beam, on one machine or many.

```python
from apache_beam.options.pipeline_options import PipelineOptions
from tfp_lgc import beam
options = PipelineOptions(runner='FlinkRunner', flink_master='host:8081')
run = tfp_lgc.load_with_encoder('out')
beam.encode(run, config.DataConfig(dataset='mnist'), 'latents', options)
artifact = beam.refit(run, 'latents', 'em', options)
beam.sample(artifact, 1_000_000_000, 'samples', options, seed=1)
```

`python -m tfp_lgc.beam` is lgc-beam. It needs the extra `beam`.
"""

if __name__ == '__main__':  # Quick to answer --help.
  import sys

  from tfp_lgc.commands.beam import main
  sys.exit(main())
else:
  from tfp_lgc.beam_em import fit, refit
  from tfp_lgc.beam_encode import encode, latents_of
  from tfp_lgc.beam_sample import sample

  __all__ = ['encode', 'fit', 'latents_of', 'refit', 'sample']
