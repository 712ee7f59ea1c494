"""What a person tells of themselves: learned from messages, corrected, forgotten, recalled."""
