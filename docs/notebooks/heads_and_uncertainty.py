# %% [markdown]
# # heads_and_uncertainty
#
# Prose $x^2$.

# %%
print(1)
