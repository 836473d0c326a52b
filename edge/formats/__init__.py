"""Strict readers and writers of the files that Edge trusts native code with."""
