"""What tests stand on: real servers, and the surroundings of a single service."""
