# A build that says much at once, in write(2)s that are larger than any pipe has room for.
{ seed ? "", bytes ? 65536, times ? 320 }:
derivation {
  name = "long-line";
  inherit seed;
  system = builtins.currentSystem;
  builder = "/usr/bin/perl";
  # It takes what write(2) says for granted, as nothing that writes to a pipe or a terminal has to try again.
  args = [ "-e" ''
    my $bad = 0;
    for (1 .. ${toString times}) {
      my $n = syswrite(STDERR, "A" x ${toString bytes});
      $bad++ if ($n // -1) != ${toString bytes};
    }
    syswrite(STDERR, "\n");
    open(my $out, ">", $ENV{out});
    print $out "$bad\n";
  '' ];
}
