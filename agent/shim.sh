# The small process around one shell program (protocol C5): it starts the program and leaves its exit status as the name
# of a file, also when agent and keeper are dead and the disk is full. Read by dash, bash and busybox alike.
#
# usage: sh shim.sh FOLDER BOOT LEAF COMMAND...
#   FOLDER  of the attempt (platforms/attempt-folder.ts)
#   BOOT    of this machine, for the file `running`
#   LEAF    cgroup that the program and this process enter; empty: none
# The environment is the mark of the attempt and a PATH for this script; the program's own stands in FOLDER/attempt.sh.

# The program's group is this one's as well: what is sent to it must not end the shim. The program gets the defaults back.
trap : HUP INT QUIT TERM PIPE ALRM USR1 USR2

if [ -n "$3" ]; then
  echo 0 > "$3/cgroup.procs" || exit 70
fi

# Exclusive: a second shim, or an agent that gives up, may not have taken the attempt.
set -C
true > "$1/running" || exit 71
set +C
sluice_stat=$$
[ ! -r /proc/self/stat ] || read -r sluice_stat < /proc/self/stat
echo "$2 $sluice_stat" > "$1/running"

# A shell that cannot fork ends: nothing has run.
trap 'true > "$1/unforked"' EXIT
(
  exec < /dev/null >> "$1/log" 2>> "$1/err"
  unset PATH
  . "$1/attempt.sh"
  shift 3
  unset PWD OLDPWD SHLVL
  # When the program cannot be started, `err` begins with this script's name: nothing else writes there before.
  exec "$@"
)
sluice_status=$?
trap - EXIT
until true > "$1/exit.$sluice_status" || mv "$1/running" "$1/exit.$sluice_status"; do
  [ -d "$1" ] || exit 0
  sleep 1
done
