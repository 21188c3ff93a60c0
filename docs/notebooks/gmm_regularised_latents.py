# %% [markdown]
# # gmm_regularised_latents
#
# Prose $x^2$.

# %%
print(1)
