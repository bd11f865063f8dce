# The part of nixpkgs and of the module system that nix/ uses, small enough to evaluate without
# nixpkgs. Packages are attribute sets that look like derivations.
let
  lib = rec {
    cleanSource = src: src;
    makeBinPath = ps: builtins.concatStringsSep ":" (map (p: "${p}/bin") ps);
    optional = condition: p: if condition then [ p ] else [ ];
    optionalAttrs = condition: s: if condition then s else { };
    optionalString = condition: s: if condition then s else "";
    getVersion = p: p.version;
    versionAtLeast = a: b: builtins.compareVersions a b >= 0;
    versionOlder = a: b: builtins.compareVersions a b < 0;
    concatStrings = builtins.concatStringsSep "";
    concatMapStringsSep = sep: f: l: builtins.concatStringsSep sep (map f l);
    mapAttrsToList = f: s: map (n: f n s.${n}) (builtins.attrNames s);
    licenses.lgpl21Plus.spdxId = "LGPL-2.1-or-later";
    platforms.linux = [ "x86_64-linux" "aarch64-linux" "i686-linux" ];

    mkOption = o: o // { _type = "option"; };
    mkEnableOption = text: mkOption { type = types.bool; default = false; description = text; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkDefault = content: { _type = "default"; inherit content; };
    mkOptionDefault = content: { priority = 1500; inherit content; };

    types = rec {
      bool = { name = "bool"; check = builtins.isBool; };
      int = { name = "int"; check = builtins.isInt; };
      str = { name = "str"; check = builtins.isString; };
      path = { name = "path"; check = v: builtins.isPath v || builtins.isString v && builtins.substring 0 1 v == "/"; };
      package = { name = "package"; check = v: v ? outPath; };
      enum = vs: { name = "enum"; check = v: builtins.elem v vs; };
      oneOf = ts: { name = "oneOf"; check = v: builtins.any (t: t.check v) ts; };
      either = a: b: oneOf [ a b ];
      listOf = t: { name = "listOf"; check = v: builtins.isList v && builtins.all t.check v; };
      attrsOf = t: {
        name = "attrsOf";
        check = v: builtins.isAttrs v && builtins.all (n: t.check v.${n}) (builtins.attrNames v);
      };
    };

    # One module and the user's settings: { options, config }, checked against the types.
    evalModule = module: args: user:
      let
        isMeta = v: builtins.isAttrs v && v ? _type;
        # What a definition says, as a list of plain sets.
        plain = v:
          if isMeta v && v._type == "if" then (if v.condition then plain v.content else [ ])
          else if isMeta v && v._type == "merge" then builtins.concatMap plain v.contents
          else [ v ];
        merge = a: b: a // builtins.mapAttrs (n: v:
          if a ? ${n} && isMeta v && v._type == "default" then a.${n}
          else if a ? ${n} && isMeta a.${n} then v
          else if a ? ${n} && builtins.isAttrs v && builtins.isAttrs a.${n} && !(v ? outPath) then merge a.${n} v
          else v) b;
        strip = v: if isMeta v then v.content
          else if builtins.isAttrs v && !(v ? outPath) then builtins.mapAttrs (_: strip) v else v;
        defaults = o: if isMeta o then (o.default or null) else builtins.mapAttrs (_: defaults) o;
        # Each option with the priority of what the user has said of it, by the path to it.
        withPriority = said: o:
          if isMeta o then o // { highestPrio = if said == null then 1500 else 100; }
          else builtins.mapAttrs (n: withPriority (if said == null then null else said.${n} or null)) o;
        m = module (args // { config = seen; options = withPriority user m.options; inherit lib; });
        said = merge (defaults m.options) user;
        config = strip (builtins.foldl' merge said (plain m.config));
        # The real module system pushes conditions down to each option, so that a module may read
        # what it defines. Here it sees what the user said, and of its own only the settings.
        seen = said // { nix = said.nix // { ociHook = said.nix.ociHook // {
          inherit (config.nix.ociHook) settings;
        }; }; };
        checkAll = path: o: v:
          if isMeta o then
            (if o.type.check v then true
             else throw "option ${path} has a value that is not of type ${o.type.name}")
          else builtins.all (n: checkAll "${path}.${n}" o.${n} v.${n}) (builtins.attrNames o);
      in
        assert checkAll "options" m.options config; { inherit (m) options; inherit config; };
  };

  fake = name: version: {
    inherit name version;
    pname = name;
    outPath = "/nix/store/00000000000000000000000000000000-${name}-${version}";
  };
  pkgs = builtins.listToAttrs (map (name: { inherit name; value = fake name "1.0"; }) [
    "autoreconfHook" "pkg-config" "makeBinaryWrapper" "parson" "libarchive" "curl" "openssl"
    "sqlite" "cmocka" "groff" "python3" "crun" "runc" "youki" "gvisor" "busybox-sandbox-shell"
  ]) // {
    inherit lib;
    stdenv = {
      mkDerivation = attrs: attrs // fake attrs.pname attrs.version;
      buildPlatform.canExecute = other: true;
      hostPlatform = { };
    };
    runCommand = name: attrs: buildCommand: attrs // { inherit buildCommand; } // fake name "1.0";
    writeText = name: text: { inherit text; } // fake name "1.0";
    callPackage = file: overrides:
      let
        f = import file;
        wanted = builtins.functionArgs f;
        have = builtins.intersectAttrs wanted pkgs;
        missing = builtins.filter (n: !wanted.${n} && !(have ? ${n}) && !(overrides ? ${n}))
          (builtins.attrNames wanted);
      in
        if missing == [ ] then f (have // overrides)
        else throw "callPackage: nothing for ${toString missing}";
  };
in
pkgs
