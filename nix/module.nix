# NixOS: run each build in an OCI container.
#
#   imports = [ ./nix-oci-hook/nix/module.nix ];
#   nix.ociHook.enable = true;
#   nix.ociHook.runtime = "runsc";
#   nix.ociHook.settings.max-jobs = 8;
{
  config,
  lib,
  options,
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

  # A setting that the hook does not take would be found by the first build; so it is found here.
  # What is built on a machine of another kind cannot be asked.
  file = pkgs.runCommand "oci-hook.conf" {
    text = lib.concatStrings (lib.mapAttrsToList line cfg.settings);
    passAsFile = [ "text" ];
  } (''
    cp "$textPath" "$out"
  ''
  + lib.optionalString (pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform) ''
    ${hook} --config "$out" config >/dev/null || {
      echo "this is what nix.ociHook.settings gives" >&2
      exit 1
    }
  '');

  # Nix 2.25 to 2.33 reset build-hook after they have read nix.conf, so there it is without effect. It
  # counts in a user's file and in NIX_CONFIG. The daemon, whose user is root, gets a file: NIX_CONFIG
  # has one value only, and that may be the administrator's.
  nixVersion = lib.getVersion config.nix.package;
  ignoresConf = lib.versionAtLeast nixVersion "2.25" && lib.versionOlder nixVersion "2.34";

  userFile = pkgs.writeText "nix-oci-hook.conf" "build-hook = ${hook}\n";

  # As in nixpkgs: a value that is not the option's default.
  isSet = option: option.highestPrio < (lib.mkOptionDefault { }).priority;

  packages = {
    crun = pkgs.crun;
    runc = pkgs.runc;
    youki = pkgs.youki;
    runsc = pkgs.gvisor;
  };
  ofPackage =
    if packages ? ${cfg.runtime} then
      "${packages.${cfg.runtime}}/bin/${cfg.runtime}"
    else
      toString cfg.runtime;
in
{
  options.nix.ociHook = {
    enable = mkEnableOption ''
      building in OCI containers through nix-oci-hook. Nix still builds itself what prefers to be
      built locally (half of nixpkgs, nearly all that has the network among it) unless `onlyHook` is
      set, and what root builds without the daemon where Nix is 2.25 to 2.33
    '';

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
        Whether Nix builds nothing itself unless a client tells it to (max-jobs = 0). Otherwise it
        builds what prefers to be built locally, what the hook declines, and for `--check`, in its
        own sandbox. Any client can still say `-j1`, also one that the daemon does not trust: then Nix
        builds these as if this were not set. Without it `--check`, and what the hook declines,
        fail. Set this where the containers are for code that you do not trust.
      '';
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      environment.systemPackages = [ cfg.package ];

      nix.ociHook.settings.runtime = lib.mkDefault ofPackage;
      environment.etc."nix/oci-hook.conf".source = file;
      warnings = lib.optional (isSet options.nix.ociHook.runtime && cfg.settings.runtime != ofPackage) (
        "nix.ociHook.runtime is '${toString cfg.runtime}', but nix.ociHook.settings.runtime is "
        + "'${toString cfg.settings.runtime}', which counts. Set one of them."
      );

      nix.settings.build-hook = hook;

      # A build that the kernel kills for want of memory would have systemd stop the daemon.
      systemd.services.nix-daemon.serviceConfig.OOMPolicy = lib.mkDefault "continue";
    }
    (mkIf cfg.onlyHook { nix.settings.max-jobs = 0; })
    (mkIf ignoresConf {
      systemd.services.nix-daemon.environment.NIX_USER_CONF_FILES =
        "${userFile}:/root/.config/nix/nix.conf:/etc/xdg/nix/nix.conf";
    })
  ]);
}
