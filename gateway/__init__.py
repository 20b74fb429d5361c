"""Everything that touches the world: sockets, disk, time, configuration. `gateway.cli` is the way in."""
