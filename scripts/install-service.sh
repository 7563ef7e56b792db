# shellcheck shell=bash disable=SC2154 # part of install.sh, whose variables these are
# How the agent is started and stopped: by systemd where that runs, else as a process of its own.
# The hub puts this in the place of install.sh's line that names it.
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
    [ ! -r "$dir/agent.pid" ] || read -r pid <"$dir/agent.pid" || :
    if is_agent "$pid"; then
        kill "$pid" 2>/dev/null || :
        for _ in {1..100}; do is_agent "$pid" || break; sleep 0.1; done
        # The supervisor leads the agent's session.
        ! is_agent "$pid" || kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || :
    fi
    rm -f "$dir/agent.pid"
}

agent_arguments() {
    arguments=(--hub "$hub_url" --comfy-dir "$comfy_dir" --state-dir "$dir/state")
    [ -z "$models_dir" ] || arguments+=(--models-dir "$models_dir")
    [ -z "$parallel" ] || arguments+=(--parallel "$parallel")
    [ -z "$ca_file" ] || arguments+=(--ca-file "$ca_file")
    [ -z "$private" ] || [ "$private" = 0 ] || arguments+=(--allow-private-sources)
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
        'After=network-online.target' '' '[Service]' "Environment=$(unit_word "COMFY_HUB_KEY_FILE=$dir/key")" \
        "ExecStart=$line" 'Restart=on-failure' 'RestartSec=2' 'RestartPreventExitStatus=78' \
        "StandardOutput=append:${dir//%/%%}/agent.log" "StandardError=append:${dir//%/%%}/agent.log" '' \
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
    (COMFY_HUB_KEY_FILE=$dir/key become_agent supervise "${arguments[@]}") </dev/null >>"$dir/agent.log" 2>&1 &
    printf '%s\n' "$!" >"$dir/agent.pid"
}
