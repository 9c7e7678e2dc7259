"""What tests of sessions and clients need of the network, without one."""
