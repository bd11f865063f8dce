# Programs of other platforms than the machine's. `dir` contains a program for each SYSTEM, which is
# its name.
{ dir, system, seed ? "" }:
derivation {
  name = "platform-${system}";
  inherit system seed;
  builder = "${builtins.path { path = dir; name = "programs"; }}/${system}";
  args = [ (builtins.placeholder "out") ];
}
