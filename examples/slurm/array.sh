#!/bin/bash
# A sweep as a job array: each task runs one shard. The arguments are those of `tsallis sweep` or `tsallis tabular`.
#SBATCH --job-name=tsallis
#SBATCH --array=0-3
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=500M
#SBATCH --time=04:00:00
#SBATCH --requeue
# A minute before the time limit, the program saves its work and stops.
#SBATCH --signal=B:TERM@60
#SBATCH --output=%x-%A-%a.log
#SBATCH --open-mode=append

# The number of tasks above. SLURM_ARRAY_TASK_COUNT would be 1 if a single task is submitted again.
shards=4

# The cores of the task, because not every cluster hides the others.
export RAYON_NUM_THREADS=$SLURM_CPUS_PER_TASK
if [[ $1 = sweep ]]; then set -- "$@" --jobs "$SLURM_CPUS_PER_TASK"; fi

# `exec`, so that the program and not the shell gets the signals of Slurm.
exec tsallis "$@" --shard "$SLURM_ARRAY_TASK_ID/$shards"
