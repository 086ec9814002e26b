#!/bin/bash
# A sweep on the hosts of one SLURM job, which need a shared folder for the environment and the results. From the folder
# of this repository, with the first lines changed to what you want:
#   sbatch docs/running/slurm.sh sweep --space free_mixed --results /shared/results
#   sbatch docs/running/slurm.sh resume /shared/results/RUN
#SBATCH --job-name=lwq_tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@300
# --exclusive: the energy ledger divides whole hosts. --signal: five minutes before the end the sweep saves its state.
set -euo pipefail
export PATH="$PWD/.venv/bin:$PATH" RAY_USAGE_STATS_ENABLED=0
# Whoever reaches an open Ray may run anything as you: a token of this job's own keeps others out.
# SLURM_EXPORT_ENV: srun hands it on where sbatch was told to export nothing.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN SLURM_EXPORT_ENV=ALL
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
# Ray notes there which cluster it started last: what runs on these hosts later must not look for this one.
export RAY_TMPDIR="${RAY_TMPDIR:-/tmp}/ray-$SLURM_JOB_ID"

head_ip=$(python -c 'import ray.util; print(ray.util.get_node_ip_address())')
address="$head_ip:6379"
ray_options=(--num-cpus="$SLURM_CPUS_PER_TASK" --block)
srun --nodes=1 --ntasks=1 --nodelist="$SLURMD_NODENAME" \
    ray start --head --port=6379 --node-ip-address="$head_ip" --include-dashboard=false "${ray_options[@]}" &
until (exec 3<> "/dev/tcp/$head_ip/6379") 2> /dev/null; do sleep 1; done
n_others=$((SLURM_NNODES - 1))
if ((n_others > 0)); then
    srun --nodes="$n_others" --ntasks="$n_others" --exclude="$SLURMD_NODENAME" \
        ray start --address="$address" "${ray_options[@]}" &
fi
# A sweep takes the hosts that are there when it begins.
python - "$address" "$SLURM_NNODES" <<'PROGRAM'
import sys, time, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(1)
PROGRAM

python -m lwq_tune "$@" --address "$address" &
sweep=$!
trap 'kill -TERM "$sweep"' TERM
status=0
wait "$sweep" || status=$?
while kill -0 "$sweep" 2> /dev/null; do # the trap has ended the first wait
    status=0
    wait "$sweep" || status=$?
done
exit "$status"
