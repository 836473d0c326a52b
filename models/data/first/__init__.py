"""The smaller world of the first pico (first light), which its evaluation still needs; it goes when the next pico ships."""
