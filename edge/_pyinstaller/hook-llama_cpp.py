"""PyInstaller's hook for `llama_cpp`: its libraries, which it loads from the folder beside its code.

Job: the list that PyInstaller reads. Ignorance: Edge.
"""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = collect_dynamic_libs("llama_cpp")
