"""What transcripts of any kind share: messages without spans, on paper or spoken."""
