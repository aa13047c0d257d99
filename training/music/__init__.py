"""Music: a recurrent language model of folk tunes in ABC notation."""
