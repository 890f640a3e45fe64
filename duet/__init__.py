"""Playing together: people, models and files, in time."""
