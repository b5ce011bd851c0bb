# The small process around a shell program (protocol C5). It starts the program and leaves the exit status as the name of
# a file, also when agent and keeper are dead and the disk is full. It works with dash, bash and busybox.
#
# usage: sh shim.sh SPOOL BOOT
#   SPOOL  of the agent (platforms/shell/attempt-folder.ts)
#   BOOT   of this machine, for the file `running`
# stdin: a line for each program, `EPOCH` or `EPOCH LEAF`. It ends with the keeper.
#   LEAF   the cgroup that this process enters, together with all its programs
# stdout: EPOCH, once nothing is left to do for it. Exit status 71: another shim or the agent has the attempt.
# The environment has a PATH for this script, and SLUICE_SHIM, by which a keeper finds it. The program's environment is in attempt.sh.

# The shim is in the process group of the program, so signals to the group must not end it. The program gets the defaults back.
trap : HUP INT QUIT TERM PIPE ALRM USR1 USR2

sluice_spool=$1
sluice_running="$2 $$"
if [ -r /proc/self/stat ]; then
  read -r sluice_running < /proc/self/stat
  sluice_running="$2 $sluice_running"
fi
set --

sluice_carry() {
  # Fails when a second shim, or an agent that gives up, has taken the attempt.
  set -C
  true > "$1/running" || exit 71
  set +C
  sluice_began=
  [ ! -r /proc/uptime ] || read -r sluice_began sluice_idle < /proc/uptime
  echo "$sluice_running${sluice_began:+ up $sluice_began}" > "$1/running"

  # A shell that cannot fork ends here: nothing has run.
  trap 'true > "$sluice_folder/unforked"' EXIT
  (
    exec < /dev/null >> "$1/log" 2>> "$1/err"
    unset PATH SLUICE_SHIM
    set --
    . "$sluice_folder/attempt.sh"
    unset PWD OLDPWD SHLVL
    # When the program cannot be started, `err` begins with the name of this script: nothing else has written to it.
    [ $# -gt 0 ] || { echo "$0: not found: a command" >&2; exit 127; }
    exec "$@"
  )
  sluice_status=$?
  trap - EXIT
  until true > "$1/exit.$sluice_status" || mv "$1/running" "$1/exit.$sluice_status"; do
    [ -d "$1" ] || return 0
    sleep 1
  done
}

while read -r sluice_epoch sluice_leaf; do
  if [ -n "$sluice_leaf" ]; then
    echo 0 > "$sluice_leaf/cgroup.procs" || exit 70
  fi
  sluice_folder=$sluice_spool/attempts/$sluice_epoch
  sluice_carry "$sluice_folder"
  echo "$sluice_epoch"
done
