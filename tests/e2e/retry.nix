# Builds that need so much memory, and tell it.
{ seed ? "" }:
let
  build = pname: mib: more: derivation ({
    inherit seed pname;
    name = "${pname}-1.0";
    system = builtins.currentSystem;
    builder = "/bin/bash";
    PATH = "/usr/bin:/bin";
    args = [ "-c" ''
      echo begins
      [ ! -e left ] && echo clean
      echo left >left
      ${more}
      head -c ${toString mib}M /dev/zero | tail -c ${toString mib}M >/dev/null || exit 1
      echo ends >"$out"
    '' ];
  });
in
{
  # Twice 64 MiB are enough.
  needs100 = build "needs-100" 100 "";
  needs100Again = build "needs-100" 100 ": again";
  holds = build "holds" 1 "sleep 3";
  needs1000 = build "needs-1000" 1000 "";
  fails = build "fails" 1 "exit 7";
  slow = build "slow" 1000 "sleep 2";
  says = build "says" 1000 "head -c 3000 /dev/zero | tr '\\0' x; echo";
}
