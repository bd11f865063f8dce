# An overlay: pkgs.nix-oci-hook.
final: prev: {
  nix-oci-hook = final.callPackage ./package.nix { };
}
