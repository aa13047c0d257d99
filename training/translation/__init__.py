"""Translation: an encoder reads a sentence, and a decoder that attends to it writes it in another language."""
