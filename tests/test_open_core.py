"""The open core: data of every kind, pieces of one's own, networks of any size, and what happens to those who hand over something odd."""
import copy
import functools
import math
import random
import warnings

import accelerate
import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, Subset, TensorDataset, WeightedRandomSampler

import denoise_ae
from denoise_ae import (CLASSICAL, Autoencoder, ConvAutoencoder, GaussianNoise, MLPDenoiser, Muon, Run, Trainer, UNet, denoise, denoise_picture, evaluate,
                        fit, gaussian_start, project, psnr, sample, separation, show_projections, ssim, tune)
from denoise_ae.checkpoints import from_files, to_files
from denoise_ae.cli import main
from denoise_ae.processes import Alone, Team, team_for, wants_cpu
from denoise_ae.shapes import as_multiple
from denoise_ae.tiles import exact


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


PICTURES = torch.rand(21, 1, 6, 5, generator=generator())  # in batches of 4 the last one is alone


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 8), nn.Tanh(), nn.Linear(8, 30), nn.Unflatten(1, (1, 6, 5)))


def trainer(data=PICTURES, noise=GaussianNoise(), kind=Trainer, model=None, **options):
    "One that is small."
    return kind(network() if model is None else model, data, noise, **{'epochs': 2, 'batch_size': 4, 'progress': False} | options)


def weights(trained):
    return torch.cat([p.detach().double().flatten() for p in trained.model.parameters()])


def trained(*arguments, **options):
    made = trainer(*arguments, **options)
    made.fit()
    return made


class Labelled(Dataset):
    "Pictures with labels, read one by one."
    def __init__(self, pictures=PICTURES):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index], index


class Augmented(Labelled):
    "Moved and dimmed at random, with the random numbers of three libraries."
    def __getitem__(self, index):
        picture = self.pictures[index].roll(int(torch.randint(5, ())), dims=-1).roll(random.randrange(6), dims=-2)
        return picture * float(np.random.uniform(.5, 1)), index


class Stream(IterableDataset):
    def __init__(self, pictures=PICTURES):
        self.pictures = pictures

    def __iter__(self):
        yield from self.pictures


class Told:
    "Remembers what a loss was given."
    def __init__(self):
        self.targets, self.outputs = [], []

    def __call__(self, output, target):
        self.outputs.append(output.detach().clone())
        self.targets.append(target.clone())
        return nn.functional.mse_loss(output, target)


# --- data of every kind

SAME = {
    'a list': lambda: list(PICTURES), 'a data set with labels': Labelled, 'a tensor with labels': lambda: TensorDataset(PICTURES, torch.arange(21)),
    'a part of a data set': lambda: Subset(Labelled(torch.cat([PICTURES, PICTURES])), range(21)), 'numbers of 64 bits': lambda: PICTURES.double(),
    'a loader': lambda: DataLoader(Labelled(), 4, shuffle=True), 'a loader of a tensor': lambda: DataLoader(PICTURES, 4, shuffle=True),
    'a loader of tensors': lambda: DataLoader(TensorDataset(PICTURES), 4, shuffle=True),
    'two workers': lambda: DataLoader(Labelled(), 4, shuffle=True, num_workers=2),
    'a collate of their own': lambda: DataLoader(list(PICTURES), 4, shuffle=True, collate_fn=torch.stack)}


@pytest.fixture(scope='module')
def by_tensor():
    return trained(valid=PICTURES[:5])


@pytest.mark.parametrize('kind', SAME)
def test_the_same_pictures_give_the_same_weights_in_whatever_they_come(kind, by_tensor):
    other = trained(SAME[kind](), valid=PICTURES[:5])
    assert torch.equal(weights(other), weights(by_tensor)) and other.history.train_loss == by_tensor.history.train_loss
    assert not torch.equal(weights(trainer()), weights(by_tensor)) and (other.steps, other.done) == (10, 10)


def test_validation_data_of_every_kind_is_measured_in_the_same_way(by_tensor):
    for valid in (list(PICTURES[:5]), Labelled(PICTURES[:5]), DataLoader(Labelled(PICTURES[:5]), 2), TensorDataset(PICTURES[:5], torch.zeros(5))):
        assert trained(valid=valid).history.valid_psnr == by_tensor.history.valid_psnr


def test_noisy_pairs_to_measure_on_keep_their_noise():
    "Whatever noise the network trains under."
    noisy = PICTURES[:5] + .5
    pairs = trainer(valid=TensorDataset(noisy, PICTURES[:5]))
    pairs.fit()
    assert torch.equal(pairs.valid_pair[0], noisy) and torch.equal(pairs.valid_pair[1], PICTURES[:5])
    assert pairs.history.valid_psnr[-1] == pytest.approx(psnr(denoise(pairs.model, noisy), PICTURES[:5]).mean().item())


def test_random_validation_data_is_the_same_each_time_and_draws_none_of_the_callers_numbers():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    first = Trainer(network(), PICTURES, valid=Augmented(), progress=False)
    torch.manual_seed(1)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected
    again = trainer(valid=Augmented())
    assert torch.equal(first.valid[0], again.valid[0]) and not torch.equal(first.valid[0], PICTURES)


def test_half_precision_is_taken_as_what_it_means():
    assert torch.equal(weights(trained(PICTURES.half())), weights(trained(PICTURES.half().float())))
    single, double = (trained(noise=GaussianNoise(std=0.), model=model, epochs=1, optimizer=torch.optim.SGD, lr=.1) for model in (network(), network().double()))
    assert next(double.model.parameters()).dtype == torch.float64 and (weights(double) - weights(single)).abs().max() < 1e-5
    assert denoise(network(), PICTURES.double()).dtype == torch.float64 and denoise(network().double(), PICTURES).dtype == torch.float32


@pytest.mark.parametrize('give', [lambda x, y: TensorDataset(x, y), lambda x, y: list(zip(x, y)), lambda x, y: DataLoader(TensorDataset(x, y), 4, shuffle=True)],
                         ids=['tensors', 'list', 'loader'])
def test_given_pairs_are_trained_on_as_they_are(give):
    shown, loss = [], Told()
    model = network()
    model.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0].clone()) if module.training else None)
    noisy = PICTURES + .25
    both = trained(give(noisy, PICTURES), None, model=model, loss=loss, valid=give(noisy, PICTURES) if isinstance(give(noisy, PICTURES), TensorDataset) else None)
    targets = torch.cat([each for each in loss.targets if len(each) < 21])
    assert torch.allclose(torch.cat(shown) - .25, targets, atol=1e-6) and len(targets) == 42
    assert sorted(targets[:21].flatten(1).sum(1).tolist()) == sorted(PICTURES.flatten(1).sum(1).tolist()), 'each once in an epoch'
    assert both.model.__dict__.get('trained_on') is None


def test_pairs_may_have_noisy_targets():
    "As in Noise2Noise: these are no pictures in [0, 1]."
    one, two = (PICTURES + torch.randn(PICTURES.shape, generator=generator(k)) for k in (1, 2))
    for data in (TensorDataset(one, two), list(zip(one, two))):
        assert trained(data, None).history.train_loss[-1] > .5


def test_a_stream_gives_batches_for_as_many_steps_as_an_epoch_is_said_to_have():
    loss = Told()
    made = trained(Stream(), loss=loss, steps_per_epoch=4, epochs=3)
    whole = torch.cat([PICTURES, PICTURES, PICTURES])  # its sixth batch has the one picture that is left
    assert [len(each) for each in loss.targets] == [4, 4, 4, 4, 4, 1, 4, 4, 4, 4, 4, 1]
    assert torch.equal(torch.cat(loss.targets), whole[:42]) and len(made.history) == 3


@pytest.mark.parametrize('stream', [lambda: DataLoader(Stream(), batch_size=7), lambda: PICTURES.split(7), lambda: DataLoader(list(PICTURES.split(7)), batch_size=None)],
                         ids=['loader', 'tuple', 'ready batches'])
def test_batches_that_are_ready_are_taken_as_they_come(stream):
    loss = Told()
    data = stream()
    made = trained(iter_of(data), loss=loss, steps_per_epoch=3)
    assert torch.equal(torch.cat(loss.targets), torch.cat([PICTURES, PICTURES])) and made.steps == 6


class iter_of:
    "An iterable and nothing else."
    def __init__(self, data):
        self.data = data

    def __iter__(self):
        return iter(self.data)


def test_what_streams_can_not_be():
    for data, words in ((Stream(), r'no length.*say with steps_per_epoch'), (iter_of(PICTURES.split(4)), 'no length'), ([], 'no batches'), (DataLoader([], 4), 'no batches'),
                        (DataLoader(PICTURES, 30, drop_last=True), 'no batches')):
        with pytest.raises(ValueError, match=words):
            trainer(data)
    for data in (Stream(PICTURES[:0]), iter(PICTURES.split(7))):  # the second can be asked only once
        with pytest.raises(ValueError, match='the data gives no batches: an iterable must start anew'):
            trained(data, steps_per_epoch=5)
    for data in (PICTURES, Labelled(), DataLoader(Labelled(), 4)):
        with pytest.raises(ValueError, match='steps_per_epoch is for data that has no length, and this has 21 images'):
            trainer(data, steps_per_epoch=5)
    with pytest.raises(ValueError, match='steps_per_epoch must be a whole number'):
        trainer(Stream(), steps_per_epoch=2.5)


def test_a_sampler_of_ones_own_decides_what_is_seen():
    loss = Told()
    chosen = WeightedRandomSampler([k in (3, 7) for k in range(21)], 10)
    trained(DataLoader(Labelled(), 4, sampler=chosen), loss=loss)
    assert [len(each) for each in loss.targets] == [4, 4, 2] * 2
    assert {tuple(each.flatten().tolist()) for each in torch.cat(loss.targets)} == {tuple(PICTURES[k].flatten().tolist()) for k in (3, 7)}
    first, second = (weights(trained(DataLoader(Labelled(), 4, sampler=WeightedRandomSampler([1.] * 21, 10)))) for _ in range(2))
    assert torch.equal(first, second), 'its numbers come from our seed'


def test_a_loader_that_does_not_shuffle_keeps_its_order_and_its_batches():
    loss = Told()
    trained(DataLoader(Labelled(), batch_sampler=BatchSampler(SequentialSampler(PICTURES), 9, drop_last=True)), loss=loss)
    assert torch.equal(torch.cat(loss.targets), torch.cat([PICTURES[:18]] * 2)) and [len(each) for each in loss.targets] == [9] * 4


@pytest.mark.parametrize('data, error, words', [
    (PICTURES * 255, ValueError, r'data must lie in \[0, 1\]'), (list(PICTURES * 255), ValueError, r'data must lie in \[0, 1\]'),
    (list(PICTURES - .5), ValueError, r'data must lie in \[0, 1\]'), (list((PICTURES * 255).byte()), TypeError, 'divide by 255'),
    (list(zip(PICTURES * 255, PICTURES * 255)), ValueError, r'mean of the targets must lie in \[0, 1\]'), (TensorDataset(PICTURES * 255, PICTURES * 255), ValueError, 'mean of the targets'),
    ((PICTURES, torch.arange(21)), TypeError, 'hand over its images only'), ('mnist', TypeError, 'not str'), (5, TypeError, 'not int'), (None, TypeError, 'not NoneType'),
    (PICTURES.numpy(), TypeError, 'torch.from_numpy'), ([{'image': picture} for picture in PICTURES], TypeError, 'a tuple that begins with one, not dict'),
])
def test_data_that_is_refused(data, error, words):
    pairs = isinstance(data, TensorDataset) or isinstance(data, list) and isinstance(data[0], tuple)
    with pytest.raises(error, match=words):
        trained(data, None if pairs else GaussianNoise())


def test_noise_and_pairs_exclude_each_other():
    with pytest.raises(ValueError, match='gives pairs of images already: pass noise=None'):
        trained(TensorDataset(PICTURES, PICTURES))
    with pytest.raises(ValueError, match='there is no noise, and the data gives no pairs'):
        trained(PICTURES, None)


# --- a training that goes on

class Stop:
    "Ends the training after a step, for what comes then to be looked at."
    def __init__(self, after):
        self.after = after

    def after_step(self, trainer):
        trainer.stop = trainer.stop or trainer.done == self.after


def own_order(**options):
    return DataLoader(Augmented(), 4, generator=generator(5), **options)


RESUMED = {
    'a tensor': lambda: PICTURES, 'pairs': lambda: TensorDataset(PICTURES + .1, PICTURES), 'random cuts': Augmented,
    'random cuts by two workers': lambda: DataLoader(Augmented(), 4, shuffle=True, num_workers=2),
    'a loader with a generator': lambda: own_order(shuffle=True),
    'a sampler with a generator': lambda: DataLoader(Augmented(), 4, sampler=WeightedRandomSampler([1.] * 21, 21, generator=generator(6))),
    'a sampler without one': lambda: DataLoader(Augmented(), 4, sampler=RandomSampler(PICTURES, replacement=True)),
}


def noise_of_three_libraries(x):
    return x + .1 * torch.randn_like(x) + .1 * random.gauss(0, 1) + .1 * float(np.random.randn())


@pytest.mark.parametrize('after', [3, 5, 8], ids=lambda after: f'step {after}')
@pytest.mark.parametrize('kind', RESUMED)
def test_a_training_goes_on_bit_for_bit_from_any_step(kind, after):
    noise = None if kind == 'pairs' else noise_of_three_libraries
    if kind == 'random cuts by two workers' and after != 8:
        return  # the same path, and slow
    options = dict(epochs=3, valid=RESUMED['pairs']() if noise is None else PICTURES[:5])
    whole = trained(RESUMED[kind](), noise, **options)
    first = trained(RESUMED[kind](), noise, **options, callbacks=[Stop(after)])
    assert first.done == after and not torch.equal(weights(first), weights(whole))
    state = from_files(to_files(first.state_dict()))
    first.model[1].weight.data.zero_()  # a state is a copy
    second = trainer(RESUMED[kind](), noise, model=network(seed=1), **options)
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    second.load_state_dict(state)
    second.fit()
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected, "the caller's numbers go on as if nothing had been"
    assert torch.equal(weights(second), weights(whole)) and second.done == whole.done == 15
    for name in ('train_loss', 'valid_loss', 'valid_psnr'):
        assert getattr(second.history, name) == getattr(whole.history, name)


def test_how_a_picture_is_cut_depends_on_the_epoch_and_not_on_the_workers():
    losses = []
    for workers in (0, 2):
        loss = Told()
        trained(DataLoader(Augmented(), 4, shuffle=True, num_workers=workers), GaussianNoise(std=0.), loss=loss)
        losses.append(torch.cat(loss.targets))
    assert torch.equal(*losses) and len(losses[0].flatten(1).unique(dim=0)) > 35, 'and the two epochs are cut in different ways'


class Tells(Stream):
    "A stream of batches that can say where it is."
    def __init__(self):
        super().__init__()
        self.at = 0

    def __iter__(self):
        while self.at < 21:
            self.at += 3
            yield self.pictures[self.at - 3:self.at]
        self.at = 0

    def state_dict(self):
        return {'at': self.at}

    def load_state_dict(self, state):
        self.at = state['at']


def test_what_holds_for_streams_when_a_training_goes_on():
    "One that tells where it is goes on there, bit for bit. Another begins again, and the network goes on learning."
    def three(stream, seen, **options):
        return trainer(iter_of(stream) if isinstance(stream, tuple) else Ready(stream), loss=seen, steps_per_epoch=5, epochs=2, **options)
    for make, told in ((Tells, True), (lambda: PICTURES.split(3), False)):
        seen = [Told(), Told(), Told()]
        whole, first, second = three(make(), seen[0]), three(make(), seen[1], callbacks=[Stop(8)]), three(make(), seen[2], model=network(1))
        whole.fit(), first.fit()
        second.load_state_dict(from_files(to_files(first.state_dict())))
        assert torch.equal(weights(first), weights(second)), 'the network goes on in any case'
        second.fit()
        assert torch.equal(seen[2].targets[0], seen[0].targets[8] if told else PICTURES[:3]) and len(seen[2].targets) == 2
        assert torch.equal(weights(second), weights(whole)) == told and len(second.history) == 2


class Ready(iter_of):
    "The batches of a stream, and the state of it."
    def state_dict(self):
        return self.data.state_dict()

    def load_state_dict(self, state):
        self.data.load_state_dict(state)


def test_a_state_of_another_training_is_refused():
    state = trained(callbacks=[Stop(3)]).state_dict()
    with pytest.raises(ValueError, match='a training of 10 steps, at step 3: this one has 15'):
        trainer(epochs=3).load_state_dict(state)


# --- callbacks, schedules, metrics, optimisers

def test_callbacks_are_told_of_everything_in_its_order():
    told = []

    class Listener:
        def __getattr__(self, name):
            if name in ('state_dict', 'load_state_dict'):
                raise AttributeError(name)
            return lambda trainer: told.append((name, trainer.done))
    trained(PICTURES[:8], callbacks=[Listener(), object()])
    assert told == [('before_fit', 0), ('after_step', 1), ('after_step', 2), ('after_epoch', 2), ('after_step', 3), ('after_step', 4), ('after_epoch', 4), ('after_fit', 4)]


class Average:
    "An exponential average of the weights."
    def __init__(self, decay=.8):
        self.decay, self.kept = decay, None

    def before_fit(self, trainer):
        self.average = AveragedModel(trainer.model, multi_avg_fn=get_ema_multi_avg_fn(self.decay))
        if self.kept:
            self.average.load_state_dict(self.kept)

    def after_step(self, trainer):
        self.average.update_parameters(trainer.model)

    def state_dict(self):
        return self.average.state_dict()

    def load_state_dict(self, state):
        self.kept = state


def test_an_average_of_the_weights_and_going_on_with_it():
    class Remember:
        def __init__(self):
            self.weights = []

        def after_step(self, trainer):
            self.weights.append(weights(trainer))
    average, remember = Average(), Remember()
    trained(callbacks=[average, remember])
    expected = remember.weights[0]
    for each in remember.weights[1:]:
        expected = .8 * expected + .2 * each
    ours = torch.cat([p.detach().double().flatten() for p in average.average.module.parameters()])
    assert torch.allclose(ours, expected, atol=1e-6) and not torch.allclose(ours, remember.weights[-1], atol=1e-4)

    first, later = trained(callbacks=[Average(), Stop(7)]), Average()
    second = trainer(model=network(1), callbacks=[later, Stop(-1)])
    second.load_state_dict(from_files(to_files(first.state_dict())))
    second.fit()
    assert torch.equal(torch.cat([p.detach().double().flatten() for p in later.average.module.parameters()]), ours)


class Patience:
    "Ends the training when the loss on the validation images has not fallen for a while."
    def __init__(self, epochs):
        self.epochs = epochs

    def after_epoch(self, trainer):
        losses = trainer.history.valid_loss
        trainer.stop = len(losses) - 1 - losses.index(min(losses)) >= self.epochs


def test_an_early_end(tmp_path):
    losses = iter([5., 4., 6., 3., 7., 8., 1., 1.])
    measured = {'loss': nn.functional.mse_loss}

    class Planned(Trainer):
        def measure(self):
            return {'loss': next(losses), 'psnr': 1.}
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # an end that was asked for is no mishap
        made = trained(kind=Planned, valid=PICTURES[:5], epochs=8, callbacks=[Patience(2)])
    assert made.history.valid_loss == [5, 4, 6, 3, 7, 8] and made.done == 6 * 5 and measured
    history = fit(network(), PICTURES, epochs=8, batch_size=4, progress=False, callbacks=[Stop(7)], run=Run(tmp_path / 'run', every=1000))
    assert len(history) == 1 and (tmp_path / 'run' / 'checkpoints' / f'{7:010}').is_dir(), 'the run is told, too, and keeps the end'


@pytest.mark.parametrize('epoch', [1, 2])
def test_ctrl_c_while_an_epoch_is_measured_loses_no_epoch(epoch):
    class Once(Trainer):
        interrupted = False

        def measure(self):
            if len(self.history) + 1 == epoch and not self.interrupted:
                self.interrupted = True
                raise KeyboardInterrupt
            return super().measure()
    made = trainer(kind=Once, valid=PICTURES[:5])
    with pytest.warns(UserWarning, match=f'stopped in epoch {epoch} of 2: .*the history holds {epoch - 1} finished epoch(?:s|)$'):
        made.fit()
    assert len(made.history) == epoch - 1 and made.done == epoch * 5
    made.fit()
    plain = trained(valid=PICTURES[:5])
    assert torch.equal(weights(made), weights(plain)) and made.done == 10
    for name in ('train_loss', 'valid_loss', 'valid_psnr'):
        assert getattr(made.history, name) == getattr(plain.history, name)


def test_a_callback_may_remember_infinity():
    class Best:
        lowest = math.inf

        def state_dict(self):
            return {'lowest': self.lowest, 'highest': -math.inf, 'none': [math.nan]}

        def load_state_dict(self, state):
            self.loaded = state
    later = Best()
    trainer(callbacks=[later]).load_state_dict(from_files(to_files(trained(callbacks=[Best()]).state_dict())))
    assert later.loaded['lowest'] == math.inf and later.loaded['highest'] == -math.inf and math.isnan(later.loaded['none'][0])
    Best.lowest = {1, 2}
    with pytest.raises(TypeError, match="can't be kept, because its optimiser, its schedule or a callback remembers more"):
        to_files(trained(callbacks=[Best()]).state_dict())


def test_gradients_can_be_clipped():
    class Clip:
        def before_fit(self, trainer):
            def clip(*_):
                nn.utils.clip_grad_norm_(trainer.model.parameters(), .001)
            trainer.optimizer.register_step_pre_hook(clip)

    def moved(**options):
        made = trained(optimizer=torch.optim.SGD, schedule=None, lr=1., epochs=1, batch_size=21, **options)
        return (weights(made) - weights(trainer())).norm().item()
    assert moved() > .01 and moved(callbacks=[Clip()]) == pytest.approx(.001, rel=1e-3)


class Rates:
    def __init__(self):
        self.rates, self.momentum = [], []

    def after_step(self, trainer):
        group = trainer.optimizer.param_groups[0]
        self.rates.append(group['lr'])
        self.momentum.append(group.get('momentum', group.get('betas', [None])[0]))


def test_a_schedule_of_ones_own_and_none():
    cosine, none = Rates(), Rates()
    trained(schedule=CosineAnnealingLR, lr=.01, callbacks=[cosine])
    assert cosine.rates == pytest.approx([.005 * (1 + math.cos(math.pi * k / 10)) for k in range(1, 11)], abs=1e-9)
    trained(schedule=None, lr=.01, callbacks=[none])
    assert none.rates == [.01] * 10
    for after in (3, 5):  # and both go on
        for schedule in (CosineAnnealingLR, None):
            whole, first = trained(schedule=schedule), trained(schedule=schedule, callbacks=[Stop(after)])
            second = trainer(schedule=schedule, model=network(1))
            second.load_state_dict(first.state_dict())
            second.fit()
            assert torch.equal(weights(second), weights(whole))


@pytest.mark.parametrize('optimizer', [torch.optim.SGD, torch.optim.RMSprop, functools.partial(torch.optim.SGD, momentum=.5), torch.optim.NAdam, Muon])
def test_one_cycle_leaves_an_optimiser_without_momentum_without_it(optimizer):
    seen = Rates()
    made = trained(optimizer=optimizer, callbacks=[seen], lr=.01)
    assert max(seen.rates) == pytest.approx(.01) and seen.rates[-2] < 1e-6, 'the learning rate goes through its cycle'
    if optimizer in (torch.optim.SGD, torch.optim.RMSprop):
        assert set(seen.momentum) == {0}
    else:
        assert min(seen.momentum) == pytest.approx(.85) and max(seen.momentum) > .94
    assert made.history.train_loss[1] < made.history.train_loss[0] + .01


def test_plain_gradient_descent_under_one_cycle_is_plain():
    "The weights are those of a loop by hand that subtracts the gradient times the rate."
    seen, loss = Rates(), Told()
    made = trained(GaussianLast(), GaussianNoise(std=0.), optimizer=torch.optim.SGD, lr=.5, loss=loss, callbacks=[seen])
    model, rates = network(), [.5 / 25, *seen.rates]  # the first step is taken before the schedule moves
    for target, rate in zip(loss.targets, rates):
        value = nn.functional.mse_loss(model(target), target)
        for parameter, gradient in zip(model.parameters(), torch.autograd.grad(value, list(model.parameters()))):
            parameter.data -= rate * gradient
    assert torch.allclose(torch.cat([p.detach().double().flatten() for p in model.parameters()]), weights(made), atol=1e-6)


def GaussianLast():
    return PICTURES


def test_metrics_of_ones_own():
    pictures = torch.rand(9, 1, 12, 12, generator=generator())
    model = ConvAutoencoder(latent_channels=2)
    made = trained(pictures, model=model, valid=pictures[:4], metrics={'psnr': psnr, 'ssim': ssim, 'worst': lambda output, clean: (output - clean).abs().max().item()})
    assert list(vars(made.history)) == ['train_loss', 'valid_loss', 'valid_psnr', 'valid_ssim', 'valid_worst', 'seconds']
    noisy, clean = made.valid_pair
    assert torch.equal(clean, pictures[:4]) and made.history.valid_ssim[-1] == pytest.approx(ssim(denoise(model, noisy), clean).mean().item(), abs=1e-6)
    assert made.history.valid_worst[-1] == pytest.approx((denoise(model, noisy) - clean).abs().max().item()) and 'valid_ssim' in repr(made.history)
    assert [ax.get_ylabel() for ax in made.history.plot().axes] == ['loss', 'valid PSNR, dB', 'valid ssim', 'valid worst']
    assert list(vars(trained(metrics={}).history)) == ['train_loss', 'valid_loss', 'seconds']


# --- pieces that are overridden

def test_the_pair_can_be_another():
    "Noise2Noise: a second noisy picture as the target, which is no picture in [0, 1]."
    class NoisyTarget(Trainer):
        def pair(self, batch):
            return self.noise(batch), self.noise(batch)
    loss = Told()
    trained(kind=NoisyTarget, noise=GaussianNoise(std=1.), loss=loss)
    assert torch.cat(loss.targets).min() < -1 and torch.cat(loss.targets).std() > .9


def test_a_batch_may_be_anything_that_the_pair_understands():
    class Named(Trainer):
        def pair(self, batch):
            return batch['noisy'], batch['clean']
    loss = Told()
    trained([{'noisy': picture + 1, 'clean': picture} for picture in PICTURES], kind=Named, loss=loss)
    assert sorted(torch.cat(loss.targets[:5]).flatten().tolist()) == sorted(PICTURES.flatten().tolist())

    class NotANumber(Trainer):  # where nothing is to be learned
        def pair(self, batch):
            noisy, clean = super().pair(batch)
            return noisy, clean.masked_fill(clean < .5, torch.nan)
    made = trained(kind=NotANumber, loss=lambda output, target: (output - target)[~target.isnan()].square().mean())
    assert made.history.train_loss[-1] > 0


def test_the_batches_can_be_others():
    class Doubled(Trainer):
        def batches(self, start=0):
            for batch in super().batches(start):
                yield torch.cat([batch, batch.flip(-1)])
    loss = Told()
    made = trained(kind=Doubled, loss=loss)
    assert [len(each) for each in loss.targets] == [8, 8, 8, 8, 10] * 2 and made.count == 42
    assert torch.equal(loss.targets[0][4:], loss.targets[0][:4].flip(-1))

    class Fewer(Trainer):
        def batches(self, start=0):
            return list(super().batches(start))[:2]

    class More(Trainer):
        def batches(self, start=0):
            yield from [*super().batches(start), *super().batches(start)]
    with pytest.raises(ValueError, match='there were 2 batches, where an epoch has 5'):
        trained(kind=Fewer)
    assert torch.equal(weights(trained(kind=More)), weights(trained())), 'an epoch has as many steps as it has'


def test_the_step_can_be_another():
    class Twice(Trainer):
        def step(self, noisy, clean):
            return (super().step(noisy, clean) + super().step(noisy, clean)) / 2
    made = trained(kind=Twice, schedule=None)
    assert made.optimizer.state[made.model[1].weight]['step'] == 20 and made.done == 10


# --- noise of one's own

def pepper(x):
    "Writes into what it is given."
    x[torch.rand_like(x) < .5] = 0
    return x


@pytest.mark.parametrize('noise', [pepper, lambda x: x.add_(1), lambda x: x.zero_()[:].add(.5)], ids=['pixels', 'added', 'all'])
@pytest.mark.parametrize('make', [lambda x: x, list, lambda x: TensorDataset(x, torch.arange(21)), lambda x: DataLoader(Labelled(x), 21)], ids=['tensor', 'list', 'tensors', 'loader'])
def test_noise_that_writes_into_its_argument_reaches_nothing_else(noise, make):
    pictures, valid, loss = PICTURES.clone(), PICTURES[:5].clone(), Told()
    trained(make(pictures), noise, valid=valid, loss=loss, batch_size=21)
    assert torch.equal(pictures, PICTURES) and torch.equal(valid, PICTURES[:5])
    for target in loss.targets:
        expected = PICTURES if len(target) == 21 else PICTURES[:5]
        assert sorted(target.flatten(1).sum(1).tolist()) == pytest.approx(sorted(expected.flatten(1).sum(1).tolist()))


def test_noise_of_another_type():
    made = trained(noise=lambda x: x + torch.from_numpy(np.random.normal(0, .1, x.shape)))  # 64 bits
    assert next(made.model.parameters()).dtype == torch.float32 and made.history.train_loss[-1] < 1
    with pytest.raises(TypeError, match='noise must return a tensor, not ndarray'):
        trained(noise=lambda x: x.numpy())


# --- outputs of another shape

class Returns(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.layer, self.change, self.calls = nn.Conv2d(1, 1, 3, padding=1), change, 0

    def forward(self, x):
        self.calls += 1
        return self.change(self.layer(x))


@pytest.mark.parametrize('change, shape', [
    (lambda x: x.squeeze(1), r'\(4, 6, 5\)'), (lambda x: x.mean((1, 2, 3), keepdim=True), r'\(4, 1, 1, 1\)'), (lambda x: x.flatten(1), r'\(4, 30\)'),
    (lambda x: x[:1], r'\(1, 1, 6, 5\)'), (lambda x: x.expand(-1, 3, -1, -1), r'\(4, 3, 6, 5\)'), (lambda x: (x, x), 'tuple'), (lambda x: x.mean(), r'\(\)'), (lambda x: None, 'NoneType')])
def test_an_output_of_another_shape_is_an_error_in_the_first_step(change, shape):
    model = Returns(change)
    before = copy.deepcopy(model.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # PyTorch's own word comes too late
        with pytest.raises(ValueError, match=rf'the network gives {shape} where its target is \(4, 1, 6, 5\)'):
            trained(model=model)
    assert model.calls == 1 and all(torch.equal(before[name], value) for name, value in model.state_dict().items())


# --- a last batch of one

def normalising():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 8), nn.BatchNorm1d(8), nn.Linear(8, 30), nn.Unflatten(1, (1, 6, 5)))


@pytest.mark.parametrize('make', [lambda x: x, list, Labelled, lambda x: TensorDataset(x, x[:, 0, 0, 0].long()), lambda x: DataLoader(Labelled(x), 4, shuffle=True),
                                  lambda x: DataLoader(Labelled(x), 4, shuffle=True, generator=generator()), lambda x: DataLoader(x, 4, sampler=range(len(x)))],
                         ids=['tensor', 'list', 'data set', 'tensors', 'loader', 'generator', 'sampler'])
@pytest.mark.parametrize('count, batch_size, drop_last, sizes', [(9, 4, False, [4, 5]), (9, 4, True, [4, 4]), (10, 4, False, [4, 4, 2]), (5, 4, False, [5]), (3, 4, False, [3]), (3, 4, True, [3])])
def test_a_last_picture_that_is_alone_joins_the_batch_before(make, count, batch_size, drop_last, sizes):
    data, loss = make(PICTURES[:count]), Told()
    if isinstance(data, DataLoader):
        data = DataLoader(data.dataset, batch_size, sampler=data.sampler, drop_last=drop_last and count >= batch_size)  # or it would be empty
    trained(data, model=normalising(), batch_size=batch_size, drop_last=drop_last, loss=loss)
    assert [len(each) for each in loss.targets] == sizes * 2


def test_batches_of_one_stay():
    loss = Told()
    trained(PICTURES[:3], batch_size=1, loss=loss)
    assert [len(each) for each in loss.targets] == [1] * 6
    assert len(trained(PICTURES[:1]).history) == 2


# --- latent vectors that went wrong

@pytest.mark.parametrize('method', ['pca', 'tsne'])
@pytest.mark.parametrize('latents, words', [
    (torch.ones(100, 10), 'all the same vector.*collapsed'), (torch.zeros(100, 10), 'all the same vector'), (torch.ones(100, 10) + 1e-7 * torch.eye(100, 10), 'all the same vector'),
    (torch.full((100, 10), math.nan), 'NaN or infinite.*break down'), (torch.randn(100, 10).index_fill(0, torch.tensor([5]), math.inf), 'NaN or infinite'),
    (torch.randn(100, 10) * 1e-30, 'an ordinary size'), (torch.randn(100, 10) * 1e25, 'an ordinary size')])
def test_latents_that_make_no_map(latents, words, method):
    "Some of these end the whole process inside scikit-learn."
    with pytest.raises(ValueError, match=words):
        project(latents, method)


def test_labels_and_latents_of_odd_kinds():
    points = torch.randn(100, 2, generator=generator())
    assert math.isnan(separation(points, torch.zeros(100))['silhouette']) and separation(points, torch.zeros(100))['knn_accuracy'] == 1
    assert separation(points, torch.arange(100).clamp(max=1))['knn_accuracy'] > .9, 'a class of one'
    assert separation(points.bfloat16(), torch.arange(100) % 2)['knn_accuracy'] < .8
    assert project(torch.randn(100, 10, generator=generator()).bfloat16()).isfinite().all()
    show_projections({'PCA': points}, (torch.arange(100) % 3).float())
    for bad in ((points * math.nan, torch.zeros(100)), (points, torch.arange(100) % 2, points * math.inf)):
        with pytest.raises(ValueError, match='(points|original) must be finite'):
            separation(*bad)


# --- noise meant for pixels up to 255

@pytest.mark.parametrize('call', [
    lambda std: GaussianNoise(std=std), lambda std: GaussianNoise(std=(5, std)), lambda std: evaluate({'nothing': nn.Identity()}, torch.rand(3, 1, 12, 12), [.1, std], progress=False),
    lambda std: sample(nn.Identity(), torch.randn(2, 1, 4, 4), sigma=std, steps=2, progress=False), lambda std: gaussian_start(torch.rand(3, 1, 4, 4), 2, sigma=std),
    lambda std: trained(noise=GaussianNoise(std=std))], ids=['noise', 'range', 'evaluate', 'sample', 'start', 'fit'])
def test_a_standard_deviation_for_pixels_up_to_255_is_noticed(call):
    with pytest.warns(UserWarning, match=r'is .*25.*, where pixels go from 0 to 1: if it was meant for pixels from 0 to 255, write 25(\.0)? / 255'):
        call(25)


def test_noise_that_pictures_may_have_is_no_reason_for_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        GaussianNoise(std=25 / 255), GaussianNoise(std=(.05, 2.)), GaussianNoise(std=0.)
        evaluate({'nothing': nn.Identity()}, torch.rand(3, 1, 12, 12), [2.], progress=False)


# --- networks of any size

def nets(channels=1):
    torch.manual_seed(0)
    made = [UNet(widths=(4, 6), blocks=(1, 1), channels=channels), UNet(widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), channels=channels, residual=True),
            UNet(widths=(4,), blocks=(1,), channels=channels), ConvAutoencoder(2, channels=channels),
            UNet(widths=(4, 6), blocks=(1, 1), residual=True, bias=False, channels=channels, shuffle=2), UNet(widths=(4, 4), blocks=(1, 1), channels=channels, shuffle=3)]
    for net in made:
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=.08 if parameter.ndim > 1 else .01)  # blocks start as nothing, which would hide them
    return made


SIZES = [(1, 1), (1, 7), (5, 1), (2, 3), (28, 28), (31, 29), (67, 35)]


@pytest.mark.parametrize('channels', [1, 3, 5])
@pytest.mark.parametrize('size', SIZES, ids=lambda size: f'{size[0]} by {size[1]}')
def test_networks_take_any_size(size, channels):
    for net in nets(channels):
        x = torch.rand(2, channels, *size, generator=generator())
        y = net(x)
        assert y.shape == x.shape and y.isfinite().all() and torch.allclose(net(x[0]), y[0], atol=1e-5)
        assert torch.equal(net(as_multiple(x, net.multiple))[..., :size[0], :size[1]], y), 'mirrored up to what it takes, and cut again'
        y.sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
        with pytest.raises(ValueError, match=rf'{type(net).__name__} takes images of {channels} channel.*have the shape \(2, {channels + 1}, '):
            net(torch.rand(2, channels + 1, *size))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('multiple', [1, 2, 4, 8])
def test_what_is_added_is_the_mirror_image(size, multiple):
    x = torch.rand(2, 1, *size, generator=generator())
    y = as_multiple(x, multiple)
    assert not any(length % multiple for length in y.shape[2:]) and max(a - b for a, b in zip(y.shape, x.shape)) < multiple
    added = [b - a for a, b in zip(size, y.shape[2:])]
    assert torch.equal(y[..., :size[0], :size[1]], x)
    if all(extra < length for extra, length in zip(added, size)):
        assert torch.equal(y, nn.functional.pad(x, (0, added[1], 0, added[0]), mode='reflect'))


# Five pixels down the middle of the third test digit under noise of 0.3, and the mean of three digits, by the networks that took 28 by 28 only.
BEFORE = {Autoencoder: ([.0028, .0287, .9782, .4247, .0009], .08989), MLPDenoiser: ([.0027, .0909, .9864, .1529, .0036], .10202),
          ConvAutoencoder: ([-.0059, .1167, 1.0238, .3138, .0112], .09775), UNet: ([.0035, .0865, .9838, .2369, .0017], .09766)}


@pytest.mark.parametrize('Network', BEFORE)
def test_the_packaged_weights_give_what_they_gave_when_they_took_one_size_only(Network):
    noisy = GaussianNoise(std=.3, generator=generator())(denoise_ae.mnist_tensors('test')[0][:3])
    output = denoise(Network.from_pretrained(), noisy)
    pixels, mean = BEFORE[Network]
    assert output[2, 0, [4, 9, 14, 19, 24], 14].tolist() == pytest.approx(pixels, abs=2e-4) and output.mean().item() == pytest.approx(mean, abs=2e-5)


def seen_from(net, size, row, column):
    "Which input pixels change an output pixel, as distances from it."
    x = torch.rand(1, net.channels, *size, dtype=torch.float64, generator=generator()).requires_grad_()
    gradient, = torch.autograd.grad(net(x)[0, 0, row, column], x)
    rows, columns = gradient[0].abs().sum(0).nonzero().T
    return max((rows - row).abs().max(), (columns - column).abs().max()).item()


@pytest.mark.parametrize('number', range(len(nets())))
def test_no_output_pixel_sees_farther_than_the_reach_says(number):
    net = nets()[number].double()
    reach, size = net.reach, 2 * nets()[number].reach + 24
    farthest = max(seen_from(net, (size, size), size // 2 + k, size // 2 - k) for k in range(net.multiple))
    assert .5 * reach < farthest <= reach, (farthest, reach)


def test_the_reach_of_the_packaged_u_net():
    net = UNet.from_pretrained().double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()  # nothing is cut off by a ReLU, so that all that can be seen is seen
    farthest = max(seen_from(net, (112, 112), 56 + k, 56 + k) for k in range(4))
    assert farthest <= net.reach <= farthest + 8


# --- pictures

@pytest.mark.parametrize('net', [UNet.from_pretrained(), ConvAutoencoder.from_pretrained(), *nets()[:2]], ids=['U-Net', 'convolutional', 'small', 'deep'])
def test_tiles_give_what_the_whole_gives_if_they_reach_far_enough(net):
    picture = torch.rand(2, 1, 135, 97, generator=generator())
    whole = denoise(net, picture)
    assert (exact(net, picture, net.reach, size=64, progress=False) - whole).abs().max() <= 1e-5
    assert (exact(net, picture, 0, size=64, progress=False) - whole).abs().max() > 1e-3, 'with a reach of 0 the seams are there'


def test_tiles_begin_where_the_halvings_of_any_network_do():
    class Coarse(nn.Module):
        "Halves as often as 96 pixels can be halved and cut in three."
        multiple = 96

        def forward(self, x):
            return nn.functional.interpolate(nn.functional.avg_pool2d(x, 96, ceil_mode=True), scale_factor=96)[..., :x.shape[2], :x.shape[3]]
    picture = torch.rand(1, 1, 400, 300, generator=generator())
    whole = denoise(Coarse(), picture)
    assert (exact(Coarse(), picture, 96, size=64, progress=False) - whole).abs().max() < 1e-5


def test_a_picture_that_is_too_large_at_once_is_denoised_in_tiles(monkeypatch):
    net, shapes = nets()[0], []
    picture = torch.rand(1, 150, 200, generator=generator())
    whole = denoise_picture(net, picture, progress=False)
    assert torch.equal(whole, denoise(net, picture[None])[0])
    monkeypatch.setattr('denoise_ae.pictures.LARGEST', 10_000)
    monkeypatch.setattr('denoise_ae.pictures.exact', functools.partial(exact, size=64))
    net.register_forward_pre_hook(lambda module, inputs: shapes.append(inputs[0].shape[-2:]))
    assert (denoise_picture(net, picture, progress=False) - whole).abs().max() < 1e-5 and len(shapes) == 12


def test_a_network_that_takes_colours_gets_them_together_and_another_one_after_the_other():
    picture = torch.rand(3, 40, 33, generator=generator())
    for net in nets(channels=3):
        assert torch.allclose(denoise_picture(net, picture, progress=False), net(picture), atol=1e-6)
    for net in nets():
        assert torch.allclose(denoise_picture(net, picture, progress=False), net(picture[:, None])[:, 0], atol=1e-5)
    with pytest.raises(ValueError, match='the denoiser takes pictures of 5 channels, and this one has 3'):
        denoise_picture(nets(channels=5)[0], picture)


def test_a_picture_can_be_denoised_by_anything_that_can_be_called():
    clean = torch.linspace(0, 1, 60).expand(3, 45, 60)
    noisy = GaussianNoise(std=.2, generator=generator())(clean)
    best = tune('Gaussian filter', clean[:, None].expand(-1, -1, 45, -1), .2)[.2]
    callables = {'tuned': best, 'a function': lambda x: x.clamp(.1, .9), 'a median': functools.partial(CLASSICAL['median'][0], setting=5),
                 'a filter of planes': functools.partial(CLASSICAL['Wiener filter'][0], setting=7), 'a network of ones own': nn.AvgPool2d(3, 1, 1)}
    for name, function in callables.items():
        given = []
        output = denoise_picture(lambda x: given.append(x.shape) or function(x), noisy, progress=False)
        assert output.shape == noisy.shape and given == [(1, 1, 45, 60)] * 3, name
        assert torch.allclose(output, torch.cat([function(noisy[None, k:k + 1])[0] for k in range(3)]), atol=1e-6), name
        assert torch.equal(output, denoise_picture(function, noisy, progress=False)), name
        assert (psnr(output, clean) > psnr(noisy, clean)).all(), name


def test_a_denoiser_of_one_size_gets_tiles_and_any_other_if_it_is_asked_for(monkeypatch):
    picture, shapes = torch.rand(1, 50, 37, generator=generator()), []
    same = lambda x: shapes.append(tuple(x.shape)) or x
    assert torch.allclose(denoise_picture(same, picture, size=16, overlap=4, batch_size=5, progress=False), picture, atol=1e-6), 'the weights of the tiles add up to 1'
    assert {shape[1:] for shape in shapes} == {(1, 16, 16)} and max(shape[0] for shape in shapes) == 5
    fixed = Autoencoder.from_pretrained()
    output = denoise_picture(fixed, picture, progress=False)
    assert output.shape == picture.shape and not torch.allclose(output, picture, atol=.1)
    digit = denoise_ae.mnist_tensors('test')[0][0]
    assert torch.allclose(denoise_picture(fixed, digit, progress=False), denoise(fixed, digit[None])[0], atol=1e-6), 'one tile is the picture itself'


@pytest.mark.parametrize('denoiser, error, words', [
    ('unet', TypeError, 'denoiser must be a network, such as .*, or a function of images'), (None, TypeError, 'denoiser must be'),
    (lambda x: x[..., 1:], ValueError, 'finite images as a tensor of the shape'), (lambda x: x / 0, ValueError, 'finite images'), (lambda x: x.numpy(), ValueError, 'finite images')])
def test_what_denoises_no_picture(denoiser, error, words):
    for options in ({}, {'size': 8}):
        with pytest.raises(error, match=words):
            denoise_picture(denoiser, torch.rand(1, 20, 20), progress=False, **options)


# --- where a training takes place. No machine with GPUs is needed: what it would say is put in place of what this one says.

class Pretended:
    "What accelerate would give to one of two processes."
    num_processes, process_index = 2, 1

    def __init__(self, cpu):
        self.device, self.state = torch.device('cpu' if cpu else 'meta'), self

    def destroy_process_group(self):
        pass


GPU = pytest.mark.parametrize('gpus', [False, True], ids=['no GPU', 'GPUs'])


@GPU
@pytest.mark.parametrize('device, cpu', [(None, None), ('cpu', True), (torch.device('cpu'), True), ('cuda', False), ('cuda:1', False), ('mps', False)])
def test_whether_the_processes_stay_on_the_processor(gpus, device, cpu, monkeypatch):
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: gpus)
    if cpu is False and not gpus:
        with pytest.raises(ValueError, match=f"there is no device '{device}' here to train on: leave it out"):
            wants_cpu(device)
    else:
        assert wants_cpu(device) == (not gpus if cpu is None else cpu)


@GPU
@pytest.mark.parametrize('device', [None, 'cpu'])
def test_several_processes_train_on_the_gpus_where_there_are_any(gpus, device, monkeypatch):
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: gpus)
    monkeypatch.setattr(accelerate, 'Accelerator', Pretended)
    monkeypatch.setenv('WORLD_SIZE', '2')
    team = team_for(device, torch.device('cpu'))
    assert isinstance(team, Team) and (team.processes, team.rank) == (2, 1)
    assert team.device.type == ('meta' if gpus and device is None else 'cpu')


@GPU
def test_one_process_trains_where_the_model_is(gpus, monkeypatch):
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: gpus)
    monkeypatch.delenv('ACCELERATE_USE_CPU', raising=False)
    for size in (None, '1'):
        monkeypatch.delenv('WORLD_SIZE', raising=False) if size is None else monkeypatch.setenv('WORLD_SIZE', size)
        for device, model, expected in ((None, 'cpu', 'cpu'), (None, 'meta', 'meta'), ('meta', 'cpu', 'meta')):
            team = team_for(device, torch.device(model))
            assert type(team) is Alone and team.device.type == expected and (team.processes, team.rank) == (1, 0)


@GPU
@pytest.mark.parametrize('cpu', ['true', 'True', 'false', 'False'])
def test_one_process_of_accelerate_launch_trains_on_the_gpu_if_there_is_one(gpus, cpu, monkeypatch):
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: gpus)
    monkeypatch.setattr(torch.accelerator, 'current_accelerator', lambda: torch.device('meta'))
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    monkeypatch.setenv('ACCELERATE_USE_CPU', cpu)
    expected = 'meta' if gpus and cpu.lower() == 'false' else 'cpu'
    assert team_for(None, torch.device('cpu')).device.type == expected
    assert team_for('cpu', torch.device('cpu')).device.type == 'cpu', 'what the user asks for comes first'


class Reached(Exception):
    "The training would begin now."


@GPU
@pytest.mark.parametrize('arguments, on_processor', [([], None), (['--device', 'cpu'], True)], ids=['by default', 'as told'])
def test_the_program_leaves_the_gpus_to_whoever_started_it(gpus, arguments, on_processor, tmp_path, monkeypatch, capsys):
    "`accelerate launch -m denoise_ae.cli train` on a machine with GPUs trains on the GPUs, without a word about it."
    seen = []

    def pretended(cpu):
        seen.append(cpu)
        raise Reached
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: gpus)
    monkeypatch.setattr(accelerate, 'Accelerator', pretended)
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(SystemExit):
        main(['train', '--limit', '20', '--epochs', '1', '--out', str(tmp_path / 'run'), *arguments])
    assert 'Reached' in capsys.readouterr().err and seen == [(not gpus) if on_processor is None else on_processor]
