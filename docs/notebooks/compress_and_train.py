# %% [markdown]
# # compress_and_train
#
# Prose $x^2$.

# %%
print(1)
