"""Music for people: ABC notation as notes, sheet music and sound."""
