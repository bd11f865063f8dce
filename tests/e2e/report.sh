#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a build cost and how it ended: the line in its log, the journal, `stats`, the counters for
# Prometheus, and the file that `nix ps` of Determinate Nix reads.
. "$(dirname "$0")/../lib.sh"
need crun perl python3 rsvg-convert
world "$@"
expr=$here/e2e/report.nix
journal=$W/state/builds.jsonl
left_begin
config() { printf '%s\n' "$@" >"$NIX_OCI_HOOK_CONFIG"; }
reported() { # reported TITLE NAME EXPRESSION...: of the newest report of NAME
  local title=$1
  shift
  check "$title" "$here/e2e/report.py" "$journal" "$@"
}
stats() { on hook "$NIX_OCI_HOOK" stats "$@" >"$W/stats" 2>"$W/stats.log"; }
count() { "$here/e2e/report.py" --count "$journal"; }

for runtime in crun runc; do
  has_runtime $runtime || continue
  config "report = always" "runtime = $runtime"
  seed=(--argstr seed "$runtime")

  # ---- what it cost ----
  check "$runtime: builds" nix_build hook "$expr" "${seed[@]}" -A plain
  check_log "$runtime: the log ends with its cost" \
    '^nix-oci-hook: cpu [0-9.]+s in 0\.[0-9]+s, (largest process|peak memory) [0-9.]+ [KM]iB' "$W/hook.log"
  reported "$runtime: what it was" plain-1.0 'r["version"] == 1' 'r["end"] == "success"' \
    'r["derivation"].startswith("/nix/store/")' 'r["pname"] == "plain"' \
    'r["package_version"] == "1.0"' 'r["outputs"] == ["dev", "out"]' "r['runtime'] == '$runtime'" \
    'r["system"].endswith("-linux")' 'r["exit_code"] == 0' 'r["tries"] == 1' 'r["slot"] == 0' \
    '"message" not in r' '("memory_peak_bytes" in r) == ("pids_peak" in r)' 'r["inputs"] == 0 and r["inputs_bytes"] == 0'
  reported "$runtime: how long its parts took" plain-1.0 \
    'sum(r[k + "_us"] for k in ("wait_slot", "inputs", "container", "build", "outputs", "registration")) <= r["wall_us"]' \
    '500000 <= r["build_us"] <= 5000000' '0 <= r["container_us"] < 1000000' \
    '[p["phase"] for p in r["phases"]] == ["onePhase", "twoPhase"]' \
    '400000 <= r["phases"][0]["us"] <= 3000000' 'r["log_bytes"] > 80'
  check "$runtime: builds what works" nix_build hook "$expr" "${seed[@]}" -A works
  reported "$runtime: what it used" works-2 '900000 <= r["cpu_user_us"] <= 5000000' \
    '64000000 <= r["largest_process_bytes"] <= 400000000' 'r["outputs_bytes"] >= 3000000'

  # ---- how it ended ----
  nix_build hook "$expr" "${seed[@]}" -A exits >/dev/null
  reported "$runtime: an exit code" exits-1 'r["end"] == "exit"' 'r["exit_code"] == 3' \
    '"failed with exit code 3" in r["message"]'
  check_log "$runtime: the line is one of its own" '^nix-oci-hook: |> nix-oci-hook: ' "$W/hook.log"
  nix_build hook "$expr" "${seed[@]}" -A killed >/dev/null
  reported "$runtime: a signal" killed-1 'r["end"] == "signal"' 'r["signal"] == 11'
  nix_build hook "$expr" "${seed[@]}" -A times --timeout 1 >/dev/null
  reported "$runtime: a timeout" times-1 'r["end"] == "timeout"' 'r["wall_us"] >= 1000000'
  nix_build hook "$expr" "${seed[@]}" -A refused >/dev/null
  reported "$runtime: outputs that are refused" refused-1 'r["end"] == "refused"' \
    'r["inputs"] == 1 and r["inputs_bytes"] > 0' '"outputs_bytes" not in r'
  nothing_left "$runtime" hook
done

# ---- which builds have the line ----
for report in off failed; do
  config "report = $report"
  nix_build hook "$expr" --argstr seed "line-$report" -A exits >/dev/null
  if [ $report = off ]; then
    check_eq "report = off: a failure has none" "$(grep -c 'nix-oci-hook: cpu' "$W/hook.log")" 0
  else
    check_log "report = failed: a failure has the line" 'nix-oci-hook: cpu ' "$W/hook.log"
  fi
  nix_build hook "$expr" --argstr seed "line-$report" -A plain >/dev/null
  check_eq "report = $report: a success has none" "$(grep -c 'nix-oci-hook: cpu' "$W/hook.log")" 0
done
config
nix_build hook "$expr" --argstr seed "line-default" -A exits >/dev/null
check_log "a failure has it if nobody says otherwise" 'nix-oci-hook: cpu ' "$W/hook.log"

# ---- waiting ----
config "max-jobs = 1"
check "two builds share a slot" nix_build hook "$expr" --argstr seed wait -A sleeps
check "one of them waited" python3 -c '
import json, sys
r = [json.loads(l) for l in open(sys.argv[1])][-2:]
waited = sorted(x["wait_slot_us"] for x in r)
assert waited[0] < 1000000 <= waited[1], waited
assert {x["slot"] for x in r} == {0}
' "$journal"

# ---- the journal ----
check_eq "the journal is its owner's" "$(stat -c %a "$journal")" 600
config "max-jobs = 8" "journal-readable = all"
n=$(count)
check "24 builds at once" nix_build hook "$expr" --argstr seed many -A many
check_eq "each of them is in the journal" "$(count)" $((n + 24))
check_eq "others may read it if the key says so" "$(stat -c %a "$journal")" 644
config "journal-size = 8K"
check "more of them" nix_build hook "$expr" --argstr seed more -A many
check "it is rotated by its size" [ "$(cat "$journal" "$journal.1" | wc -c)" -le 8192 ]
config "journal = off" "report = always"
n=$(count)
check "without a journal" nix_build hook "$expr" --argstr seed off -A plain
check_eq "nothing is written" "$(count)" "$n"
config "journal = /proc/nowhere/builds.jsonl"
check "where it cannot be written the build stands" nix_build hook "$expr" --argstr seed proc -A plain
check_log "and it is told" 'the build is not in the journal: .*/proc/nowhere' "$W/hook.log"
mkdir "$W/tiny"
mount -t tmpfs -o size=4k none "$W/tiny"
config "journal = $W/tiny/builds.jsonl"
head -c 4000 /dev/zero | tr '\0' x >"$W/tiny/builds.jsonl"
check "on a full disk, too" nix_build hook "$expr" --argstr seed tiny -A plain
check_log "and that is told" 'the build is not in the journal: .*full|No space left' "$W/hook.log"
umount "$W/tiny"

# ---- a hook that is killed ----
config
n=$(count)
mkdir -p "$W/go"
nix_conf hook "sandbox-paths = $host_paths /go=$W/go"
(become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" --argstr seed kill -A waits) \
  >"$W/hook.log" 2>&1 &
pid=$!
for _ in $(seq 100); do grep -q begun "$W/hook.log" && break; sleep 0.1; done
kill -KILL $pid
wait $pid 2>/dev/null
nothing_left "a killed nix-build" hook
check "the journal has nothing torn of it" [ "$(count)" -ge "$n" ]

# ---- what nix ps reads ----
active=$W/hook/var/nix/active-builds
begin_waiting() { # begin_waiting SEED: a build that waits
  (become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" --argstr seed "$1" \
    -A waits) >"$W/hook.log" 2>&1 &
  pid=$!
  for _ in $(seq 100); do grep -q begun "$W/hook.log" && break; sleep 0.1; done
}
check "without its directory there is no file" [ ! -e "$active" ]
mkdir "$active"
echo '{}' >"$active/1-1"
touch -d '1 hour ago' "$active/1-1"
begin_waiting active
file=$(find "$active" -type f)
check "a build has a file, and a stale one is gone" [ "$(find "$active" -type f | wc -l)" = 1 ]
check "it says what runs" python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
assert r["type"] == "build" and r["derivation"].endswith("-waits-1.drv") and "/" not in r["derivation"], r
assert set(r) == {"type", "nixPid", "clientPid", "clientUid", "mainPid", "mainUser", "cgroup", "startTime",
                  "derivation"}, r
assert r["nixPid"] == int(sys.argv[2]) and r["clientPid"] is None, r
assert r["cgroup"] is None or "/nix-" in r["cgroup"], r
assert r["mainUser"]["uid"] > 0 and r["mainUser"]["name"].startswith("nixbld"), r
def tree(pid):
    words = open(f"/proc/{pid}/cmdline").read().split("\0")
    return [words] + [w for c in open(f"/proc/{pid}/task/{pid}/children").read().split() for w in tree(c)]
assert any(w[0].endswith("bash") and "/go/go" in w[2] for w in tree(r["mainPid"]) if len(w) > 2), tree(r["mainPid"])
' "$file" $pid
check_eq "it is locked" "$(flock -n "$file" true; echo $?)" 1
touch "$W/go/go"
wait $pid
check_eq "the build ends well" $? 0
check_eq "then it is gone" "$(find "$active" -type f)" ""
rm "$W/go/go"
begin_waiting active-killed
kill -KILL $pid # Nix has the kernel kill the hook with it
wait $pid 2>/dev/null
for _ in $(seq 50); do [ -z "$(find "$active" -type f)" ] && break; sleep 0.1; done
check_eq "after a kill it is gone as well" "$(find "$active" -type f)" ""
rm -r "$active"
nothing_left "with active builds" hook

# ---- stats ----
config "metrics-file = $W/nix.prom"
rm -f "$journal" "$journal.1"
check "a new journal" nix_build hook "$expr" --argstr seed stats -A works
nix_build hook "$expr" --argstr seed stats -A exits >/dev/null
nix_build hook "$expr" --argstr seed stats2 -A exits >/dev/null
check "stats" stats
check_log "a line for each package" '^exits +2 +2 +[0-9.]+s +[0-9.]+s +[0-9.]+ [KM]iB' "$W/stats"
check_log "the most time comes first" '^works ' <(sed -n 2p "$W/stats")
check "stats --failed" stats --failed
check_log "failures have their reason" "^20.*exit +exits-1: builder for .* failed with exit code 3" "$W/stats"
check_eq "and only they are there" "$(wc -l <"$W/stats")" 3
check "stats --slowest --most 1" stats --slowest --most 1
check_eq "as many as were asked for" "$(sed '1d; s/.* //' "$W/stats")" works-2
check "stats --hungriest" stats --hungriest
for options in "" --slowest --failed; do
  # shellcheck disable=SC2086
  check "stats --json $options" stats --json $options
  check "... is JSON" "$here/e2e/report.py" --json "$W/stats"
done
check "stats --since 1h" stats --since 1h --slowest
check_eq "what was in it" "$(wc -l <"$W/stats")" 4
stats --since yesterday
check_eq "a time that is none is refused" $? 1
check_log "with what is one" "'yesterday' is no time" "$W/stats.log"
check "stats --learned" stats --learned works
check_log "what is learnt" '^works \(.*-linux out\): peak memory of the last 1 builds: ' "$W/stats"
check "stats --forget" stats --forget works
check "then" stats --learned works
check_eq "it is forgotten" "$(cat "$W/stats")" ""
check "stats --timeline" stats --timeline "$W/t.svg"
check "... is XML with a bar for each build" "$here/e2e/report.py" --svg "$W/t.svg" 3
check "... and can be drawn" rsvg-convert "$W/t.svg" -o "$W/t.png"
echo 'torn' >>"$journal"
check "a torn line is no matter" stats
check_log "but told" 'warning: 1 lines of the journal' "$W/stats.log"
check "stats --prometheus" stats --prometheus
check_log "counters" '^nix_oci_hook_builds_total\{end="exit"\} 2$' "$W/stats"
check "the same is in the metrics-file" cmp "$W/stats" "$W/nix.prom"
finish
