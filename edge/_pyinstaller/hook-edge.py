"""PyInstaller's hook for `edge`: the modules that are imported by name, and the shipped bundles.

Job: the lists that PyInstaller reads. Ignorance: what the modules do; the command line, which stays out.
"""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

hiddenimports = collect_submodules(
    "edge", filter=lambda name: not name.startswith(("edge.cli", "edge._pyinstaller"))
)
hiddenimports += ["llama_cpp.llama_cpp", "llama_cpp.mtmd_cpp"]  # edge.engines.llama_native names them
datas = collect_data_files("edge", includes=["bundles/**/*"])
