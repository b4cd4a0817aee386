"""The ground that every app stands on. Imports nothing of Keyway outside this package."""
