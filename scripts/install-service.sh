# shellcheck shell=bash disable=SC2154,SC2034 # part of install.sh, whose variables these are
# How the agent is started and stopped: by systemd where that runs, else as a process of its own; and where it keeps
# what is this machine's. The hub puts this in the place of install.sh's line that names it.

# The folder of the agent may lie on a volume that several machines see. It belongs to the machine that came first,
# which its file "machine" names; any other has a folder of its own in it, for key, log and state. A machine that was
# started anew has another boot id, and is known by its name once nobody by that name is at work there.
machine_name() {
    local hostname='' boot_id=''
    { IFS= read -r hostname </proc/sys/kernel/hostname; } 2>/dev/null || hostname=$(uname -n)
    { IFS= read -r boot_id </proc/sys/kernel/random/boot_id; } 2>/dev/null || :
    printf '%s %s' "$hostname" "$boot_id"
}

# Whether an agent wrote its sign of life there within two minutes.
is_busy() {
    local at now
    at=$(date -r "$1/state/alive" +%s 2>/dev/null) && now=$(date +%s) || return 1
    [ $((now - at)) -lt 120 ]
}

# find_home: where this machine's key, log and state are, in $home; "new" in $home_is where there is nothing yet.
find_home() {
    local machine owner='' place
    machine=$(machine_name)
    place=$(printf '%s' "$machine" | sha256sum)
    for home in "$dir" "$dir/machines/${place:0:16}"; do
        home_is=''
        [ -e "$home/machine" ] || { home_is=new; return 0; }
        IFS= read -r owner <"$home/machine" || :
        if [ "$owner" = "$machine" ]; then return 0; fi
        if [ "${owner%% *}" = "${machine%% *}" ] && ! is_busy "$home"; then home_is=new; return 0; fi
    done
    return 0
}

# What is there under the names that the agent needs has to be the agent's.
check_ours() {
    local name
    # Earlier versions wrote down what they were told, and nothing else.
    if [ -e "$home/machine" ] || grep -q '^comfy_dir=' "$home/config" 2>/dev/null; then return 0; fi
    for name in agent config key agent.log agent.pid state machines; do
        [ ! -e "$home/$name" ] ||
            fail 15 "$home/$name is there and is not the agent's: name another folder with --dir"
    done
}

# Whether process $1 is our agent.
is_agent() {
    local exe
    case $1 in '' | *[!0-9]*) return 1 ;; esac
    kill -0 "$1" 2>/dev/null || return 1
    exe=$(readlink "/proc/$1/exe" 2>/dev/null) || return 1
    # A replaced program is marked as deleted.
    [ "${exe% (deleted)}" = "$dir/agent" ] || [ "${exe% (deleted)}" = "$(readlink -f "$dir/agent")" ]
}

has_systemd() { [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] && has systemctl; }

stop_agent() {
    local pid='' _
    if [ -e "$unit" ] && has_systemd; then systemctl stop comfy-agent.service >/dev/null 2>&1 || :; fi
    [ ! -r "$home/agent.pid" ] || read -r pid <"$home/agent.pid" || :
    if is_agent "$pid"; then
        kill "$pid" 2>/dev/null || :
        for _ in {1..100}; do is_agent "$pid" || break; sleep 0.1; done
        # The supervisor leads the agent's session.
        ! is_agent "$pid" || kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || :
    fi
    rm -f "$home/agent.pid"
}

agent_arguments() {
    arguments=(--hub "$hub_url" --comfy-dir "$comfy_dir" --state-dir "$home/state")
    [ -z "$models_dir" ] || arguments+=(--models-dir "$models_dir")
    [ -z "$parallel" ] || arguments+=(--parallel "$parallel")
    [ -z "$ca_file" ] || arguments+=(--ca-file "$ca_file")
    [ -z "$private" ] || [ "$private" = 0 ] || arguments+=(--allow-private-sources)
    [ -z "$linked" ] || [ "$linked" = 0 ] || arguments+=(--allow-linked-folders)
}

# One word of a unit file.
unit_word() {
    local word=$1
    word=${word//\\/\\\\} word=${word//\"/\\\"} word=${word//%/%%} word=${word//\$/\$\$}
    printf '"%s"' "$word"
}

start_by_systemd() {
    local argument line
    line=$(unit_word "$dir/agent")
    for argument in "${arguments[@]}"; do line="$line $(unit_word "$argument")"; done
    umask 022
    printf '%s\n' '[Unit]' 'Description=Agent of a ComfyUI model hub' 'Wants=network-online.target' \
        'After=network-online.target' '' '[Service]' "Environment=$(unit_word "COMFY_HUB_KEY_FILE=$home/key")" \
        "Environment=$(unit_word "COMFY_AGENT_INSTANCE=$instance")" \
        "ExecStart=$line" 'Restart=on-failure' 'RestartSec=2' 'RestartPreventExitStatus=78' \
        "StandardOutput=append:${home//%/%%}/agent.log" "StandardError=append:${home//%/%%}/agent.log" '' \
        '[Install]' 'WantedBy=multi-user.target' >"$unit.new"
    umask 077
    mv -f "$unit.new" "$unit"
    systemctl daemon-reload && systemctl enable --quiet comfy-agent.service && systemctl restart comfy-agent.service
}

# Closes every descriptor but the first three, then becomes the agent: who waits for the end of this
# script's output (curl | bash) waits no longer than for the script.
become_agent() {
    local descriptor
    for descriptor in /proc/self/fd/*; do
        descriptor=${descriptor##*/}
        [ "$descriptor" -le 2 ] || eval "exec $descriptor>&-"
    done
    cd /
    local words=("$dir/agent" "$@")
    if has nohup; then words=(nohup "${words[@]}"); else trap '' HUP; fi
    if has setsid; then words=(setsid "${words[@]}"); fi
    exec "${words[@]}"
}

start_agent() {
    if has_systemd; then
        start_by_systemd >"$work/said" 2>&1 && return 0
        say "systemd does not start it ($(tail -n 1 "$work/said")): it is started directly"
        rm -f "$unit"
    fi
    (
        export COMFY_HUB_KEY_FILE=$home/key COMFY_AGENT_INSTANCE=$instance
        become_agent supervise "${arguments[@]}"
    ) </dev/null >>"$home/agent.log" 2>&1 &
    started=$!
    printf '%s\n' "$started" >"$home/agent.pid"
}

# Of the agent that was just started, not of one before it or on another machine.
is_connected() {
    "$dir/agent" status --state-dir "$home/state" --instance "$instance" </dev/null >"$work/status" 2>&1
}

# has_ended: the agent that was just started is gone; what systemd started, systemd starts again.
has_ended() { [ -n "$started" ] && ! kill -0 "$started" 2>/dev/null; }

# show_logs: the last lines of what the agent wrote, wherever that is.
show_logs() {
    local log
    for log in "$home/agent.log" "$home/state/agent.log"; do
        if [ -s "$log" ]; then
            say "Its log ($log) ends:"
            tail -n 20 "$log" >&2 || :
        fi
    done
}

# offer_links: says which folders of models are links, unless they are used already.
offer_links() {
    local entry models=${models_dir:-$comfy_dir/models}
    if [ -n "$linked" ] && [ "$linked" != 0 ]; then return 0; fi
    for entry in "$models"/*; do
        if [ -L "$entry" ] && [ -d "$entry" ]; then
            say "$entry is a link to another folder: to use it, run the line again with --allow-linked-folders"
        fi
    done
}

await_connection() {
    local began=$SECONDS why="not connected to $hub_url after $patience_s s; the agent goes on trying."
    while [ $((SECONDS - began)) -lt "$patience_s" ]; do
        if is_connected; then
            say "connected to $hub_url. The agent is in $dir and goes on by itself."
            offer_links
            return 0
        fi
        if has_ended; then why="the agent has ended and is not connected to $hub_url."; break; fi
        sleep 0.2
    done
    say "$why"
    show_logs
    exit 30
}
