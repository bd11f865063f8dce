# NixOS: run each build in an OCI container.
#
#   imports = [ ./nix-oci-hook/nix/module.nix ];
#   nix.ociHook.enable = true;
#   nix.ociHook.runtime = "runsc";
#   nix.ociHook.settings.max-jobs = 8;
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.nix.ociHook;
  inherit (lib)
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    types
    ;

  # nix.conf's form, as the hook reads it.
  value =
    v:
    if v == true then
      "true"
    else if v == false then
      "false"
    else if builtins.isList v then
      lib.concatMapStringsSep " " value v
    else
      toString v;
  line = name: v: "${name} = ${value v}\n";
  hook = "${cfg.package}/bin/nix-oci-hook";

  # Nix 2.25 to 2.33 reset build-hook after they have read nix.conf, so there it is without
  # effect. What the daemon finds in NIX_CONFIG counts in every version.
  nixVersion = lib.getVersion config.nix.package;
  ignoresConf = lib.versionAtLeast nixVersion "2.25" && lib.versionOlder nixVersion "2.34";

  packages = {
    crun = pkgs.crun;
    runc = pkgs.runc;
    youki = pkgs.youki;
    runsc = pkgs.gvisor;
  };
in
{
  options.nix.ociHook = {
    enable = mkEnableOption "building in OCI containers through nix-oci-hook";

    package = mkOption {
      type = types.package;
      default = pkgs.nix-oci-hook or (pkgs.callPackage ./package.nix { });
      defaultText = "pkgs.nix-oci-hook";
      description = "The nix-oci-hook to use.";
    };

    runtime = mkOption {
      type = types.either (types.enum (builtins.attrNames packages)) types.path;
      default = "crun";
      example = "runsc";
      description = ''
        The OCI runtime: the name of a known one, whose package is then used, or the path of any
        other.
      '';
    };

    settings = mkOption {
      type = types.attrsOf (
        types.oneOf [
          types.bool
          types.int
          types.str
          (types.listOf types.str)
        ]
      );
      default = { };
      example = {
        max-jobs = 8;
        profile = "tvix";
      };
      description = "What /etc/nix/oci-hook.conf holds; see nix-oci-hook(1).";
    };

    onlyHook = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether Nix builds nothing itself (max-jobs = 0). Otherwise it builds what prefers to be
        built locally and what the hook declines, in its own sandbox.
      '';
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      environment.systemPackages = [ cfg.package ];

      nix.ociHook.settings.runtime = lib.mkDefault (
        if packages ? ${cfg.runtime} then
          "${packages.${cfg.runtime}}/bin/${cfg.runtime}"
        else
          toString cfg.runtime
      );
      environment.etc."nix/oci-hook.conf".text = lib.concatStrings (
        lib.mapAttrsToList line cfg.settings
      );

      nix.settings.build-hook = hook;
    }
    (mkIf cfg.onlyHook { nix.settings.max-jobs = 0; })
    (mkIf ignoresConf {
      systemd.services.nix-daemon.environment.NIX_CONFIG = "build-hook = ${hook}";
    })
  ]);
}
