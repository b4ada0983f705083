"""Projects of a user's own: made by `hpoe init`, run by the stages of the installed hpoe."""
