# Builds for sections of the configuration to hold for.
{ seed ? "" }:
let
  build = pname: more: derivation ({
    inherit seed pname;
    name = "${pname}-1.0";
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" "echo >\"$out\"" ];
  } // more);
in
{
  special = build "special" { };
  plain = build "plain" { };
  small = build "small" { };
  classy = build "classy" { requiredSystemFeatures = [ "oci-large" ]; };
}
