# A build that prints much at once, by write(2) calls that are larger than a pipe.
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
