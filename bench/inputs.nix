# A derivation with N inputs, files or directories, that it does not use; another one for each SEED.
{ n, seed, kind }:
derivation {
  name = "inputs-${kind}";
  inherit seed;
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo >$out" ];
  inputs = builtins.genList (i:
    if kind == "files" then builtins.toFile "file-${toString i}" "x"
    else builtins.path { path = ./.; name = "directory-${toString i}"; filter = _: _: false; }) n;
  # All of them in the environment would be more than a string there may hold.
  passAsFile = [ "inputs" ];
}
