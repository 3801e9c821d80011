"""A synthetic list of missing people, for the demonstration and for trying the system out."""
