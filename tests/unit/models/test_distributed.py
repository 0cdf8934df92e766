"""Two processes have together the loss and gradients of one, also when one lacks a dataset."""

import multiprocessing

import torch
import torch.distributed as dist
from pose_worlds import FAMILIES, MOE, VIT, images, multi_head, sample, total
from torch.nn.parallel import DistributedDataParallel

CASES = ('simple', 'softmax', 'simcc', 'rle', 'experts')
SKELETONS = ('coco', 'coco', 'coco', 'mpii')  # the first process has no MPII sample
PATIENCE = 120  # seconds


def batch(case):
    codec = FAMILIES['simple' if case == 'experts' else case][1]
    samples = [sample(s, codec=codec, seed=i, unlabelled=(i,)) for i, s in enumerate(SKELETONS)]
    return images(len(SKELETONS)).double(), samples


def model_of(case):
    head = FAMILIES['simple' if case == 'experts' else case][0]
    backbone = MOE if case == 'experts' else VIT
    return multi_head(('coco', 'mpii', 'aic'), head=head, backbone=backbone).double()


def run_process(rank, address, connection):
    """One of two processes: sends {case: (mean loss, gradients by name)}."""
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=address, rank=rank, world_size=2)
    mine = slice(0, 2) if rank == 0 else slice(2, 4)
    found = {}
    for case in CASES:
        x, samples = batch(case)
        wrapped = DistributedDataParallel(model_of(case))
        loss = total(wrapped(x[mine], samples[mine], mode='loss'))
        loss.backward()
        mean = loss.detach() / 2
        dist.all_reduce(mean)
        gradients = {n: p.grad.numpy() for n, p in wrapped.module.named_parameters()}
        found[case] = (mean.item(), gradients)
    connection.send(found)
    dist.destroy_process_group()


def test_two_processes_are_one(tmp_path):
    # Forked, so that they need not import everything again.
    context = multiprocessing.get_context('fork')
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    processes = [
        context.Process(
            target=run_process, args=(rank, f'file://{tmp_path}/rendezvous', pipe[1]), daemon=True
        )
        for rank, pipe in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    results = []
    for receiver, _ in pipes:
        assert receiver.poll(PATIENCE), 'a process died or hangs'
        results.append(receiver.recv())
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    for case in CASES:
        x, samples = batch(case)
        model = model_of(case)
        expected = total(model(x, samples, mode='loss'))
        expected.backward()
        for loss, gradients in (result[case] for result in results):
            torch.testing.assert_close(loss, expected.item(), rtol=1e-5, atol=0)
            for name, parameter in model.named_parameters():
                scale = parameter.grad.abs().max().item()
                torch.testing.assert_close(
                    torch.from_numpy(gradients[name]),
                    parameter.grad,
                    rtol=1e-5,
                    atol=1e-5 * scale,
                )
