"""The paper's own experiments, and the report on their replication."""
