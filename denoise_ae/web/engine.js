// The networks of denoise_ae in a browser, from the package's own model.safetensors and config.json: no library, no build step, no
// network, also from a folder. Everything that a network multiplies goes through one function, loops(). kernel.js holds the same as
// WebAssembly, which works on four numbers at once; where a browser doesn't have that or a page forbids it, loops() does the work.
//
// denoiseAE.models.NAME = {config, weights} has what config.json says and model.safetensors as base64. Then
// denoiseAE.denoise(NAME, Float32Array of 784) gives the denoised picture, and denoiseAE.network(NAME).run(picture, height, width)
// takes other sizes: channels, rows, pixels in this order, black 0 and white 1.
(() => {
'use strict';
const AE = self.denoiseAE ??= {};
AE.models ??= {};

// ---- the weights ----------------------------------------------------------------------------------------------------

AE.bytes = text => {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let k = 0; k < bytes.length; k++) bytes[k] = letters.charCodeAt(k);
  return bytes;
};

const powers = Float64Array.from({length: 32}, (_, power) => 2 ** (Math.max(power, 1) - 25));

function wide(halves) {                        // float16 to float32, exactly
  const numbers = new Float32Array(halves.length);
  for (let k = 0; k < numbers.length; k++) {
    const power = halves[k] >> 10 & 31, rest = halves[k] & 1023;
    const size = power === 31 ? (rest ? NaN : Infinity) : powers[power] * (power ? 1024 + rest : rest);
    numbers[k] = halves[k] >> 15 ? -size : size;
  }
  return numbers;
}

const read = {
  F16: part => wide(new Uint16Array(part)),
  BF16: part => new Float32Array(Uint32Array.from(new Uint16Array(part), half => half << 16).buffer),
  F32: part => new Float32Array(part),
  F64: part => Float32Array.from(new Float64Array(part)),
};

AE.tensors = bytes => {                        // safetensors: the length of a header, the header as JSON, the numbers
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)), tensors = {};
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  delete header.__metadata__;
  for (const [name, {dtype, shape, data_offsets: [from, to]}] of Object.entries(header))
    tensors[name] = {shape, data: read[dtype](bytes.slice(8 + length + from, 8 + length + to).buffer)};
  return tensors;
};

// ---- the one loop ---------------------------------------------------------------------------------------------------

const cut = v => v > 0 ? v : 0;

// A layer: each output channel of each pixel is the sum of the input channels at some places
// around it, its taps, each times a weight. f and i are the memory as float32 and as int32;
// what the function is given are places in it and steps through it, in bytes.
function loops(f, i) {
  return (from, fromPixel, fromRow, to, toPixel, toRow, rows, columns,
          weights, bias, taps, tapBytes, channels, groups, add, relu) => {
    for (let group = 0; group < groups; group++, to += 16, bias += 16,
         weights += tapBytes * channels)
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < columns; x++) {
          const pixel = from + y * fromRow + x * fromPixel;
          const o = to + y * toRow + x * toPixel >> 2, first = bias >> 2;
          let a = f[first], b = f[first + 1], c = f[first + 2], d = f[first + 3];
          let w = weights >> 2;
          for (let tap = taps >> 2; tap < taps + tapBytes >> 2; tap++) {
            const start = pixel + i[tap] >> 2, end = start + (channels >> 2);
            for (let p = start; p < end; p++, w += 4) {
              const v = f[p];
              a += v * f[w]; b += v * f[w + 1]; c += v * f[w + 2]; d += v * f[w + 3];
            }
          }
          if (add) { a += f[o]; b += f[o + 1]; c += f[o + 2]; d += f[o + 3]; }
          if (relu) { a = cut(a); b = cut(b); c = cut(c); d = cut(d); }
          f[o] = a; f[o + 1] = b; f[o + 2] = c; f[o + 3] = d;
        }
  };
}

// ---- a memory, with the weights in it, and behind them the pictures of one size -----------------------------------------

class Machine {
  constructor(plain) {
    this.top = 16;
    this.places = new Map();
    this.engine = 'plain JavaScript';
    if (!plain) try {
      const memory = new WebAssembly.Memory({initial: 1}), module = new WebAssembly.Module(AE.bytes(AE.kernel));
      this.kernel = new WebAssembly.Instance(module, {engine: {memory}}).exports;
      this.memory = memory;
      this.engine = 'WebAssembly';
    } catch { /* there is none, or none with SIMD, or the page forbids it */ }
    this.look(this.memory?.buffer ?? new ArrayBuffer(65536));
  }

  look(buffer) {
    this.f = new Float32Array(buffer);
    this.i = new Int32Array(buffer);
    this.kernel = this.memory ? this.kernel : {pixels1: loops(this.f, this.i)};
  }

  take(count) {                                // room for so many numbers; gives where it begins
    const at = this.top, there = this.f.byteLength;
    this.top += Math.ceil(count / 4) * 16;
    if (this.top > 2 ** 31) throw RangeError('this picture is too large for the network in a page: make it smaller');
    if (this.top > there) {
      const more = Math.ceil(Math.max(this.top - there, there / 2) / 65536);
      if (this.memory) this.memory.grow(more);
      const buffer = this.memory?.buffer ?? new ArrayBuffer(there + 65536 * more), before = this.f;
      this.look(buffer);
      if (!this.memory) this.f.set(before);
    }
    return at;
  }

  forget(top) {                                // the pictures, to make those of another size
    this.places.clear();
    this.f.fill(0, top >> 2);
    this.top = top;
  }

  picture(height, width, channels) {           // with a border of zeros, one pixel wide
    const pixel = 16 * Math.ceil(channels / 4), row = (width + 2) * pixel, at = this.take((height + 2) * row / 4);
    return {height, width, channels, pixel, row, at, inside: at + row + pixel};
  }

  // Lays the weights out in the order in which the loop needs them: for 4 output channels, each tap, each input channel.
  part(outputs, inputs, taps, weight, bias) {
    const channels = 4 * Math.ceil(inputs / 4), groups = Math.ceil(outputs / 4);
    const weights = this.take(4 * groups * taps.length * channels), biasAt = this.take(4 * groups);
    for (let o = 0; o < outputs; o++)
      for (let tap = 0; tap < taps.length; tap++)
        for (let i = 0, at = ((o >> 2) * taps.length + tap) * channels; i < inputs; i++)
          this.f[(weights >> 2) + 4 * (at + i) + o % 4] = weight(o, i, tap);
    if (bias) this.f.set(bias.data, biasAt >> 2);
    return {weights, bias: biasAt, taps, channels: 4 * channels, groups, y: 0, x: 0};
  }

  // A convolution. A linear layer is one of a single tap, on a picture of one pixel.
  conv({shape: [outputs, inputs, side = 1], data}, bias, {stride = 1, padding = 0} = {}) {
    const taps = Array.from({length: side * side}, (_, k) => [Math.floor(k / side) - padding, k % side - padding]);
    const part = this.part(outputs, inputs, taps, (o, i, tap) => data[(o * inputs + i) * side * side + tap], bias);
    return {parts: [part], stride, spread: 1, outputs};
  }

  // A transposed convolution of stride 2 is four convolutions, one for each place in a square of 2 by 2.
  grow({shape: [inputs, outputs, side], data}, bias, {padding = 0} = {}) {
    const parts = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([y, x]) => {
      const all = Array.from({length: side * side}, (_, k) => [y + padding - Math.floor(k / side), x + padding - k % side, k]);
      const met = all.filter(([dy, dx]) => dy % 2 === 0 && dx % 2 === 0);
      const weight = (o, i, tap) => data[(i * outputs + o) * side * side + met[tap][2]];
      return {...this.part(outputs, inputs, met.map(([dy, dx]) => [dy / 2, dx / 2]), weight, bias), y, x};
    });
    return {parts, stride: 1, spread: 2, outputs};
  }

  run({parts, stride, spread}, from, to, {add = 0, relu = 0} = {}) {
    for (const part of parts) {
      if (!this.places.has(part)) {
        const at = this.take(part.taps.length);
        part.taps.forEach(([dy, dx], tap) => { this.i[(at >> 2) + tap] = dy * from.row + dx * from.pixel; });
        this.places.set(part, at);
      }
      const rows = to.height / spread, columns = to.width / spread, sevens = this.kernel.pixels7 ? columns - columns % 7 : 0;
      const work = (pixels, first, number) => number && pixels(
        from.inside + first * stride * from.pixel, stride * from.pixel, stride * from.row,
        to.inside + part.y * to.row + (part.x + first * spread) * to.pixel, spread * to.pixel, spread * to.row,
        rows, number, part.weights, part.bias, this.places.get(part), 4 * part.taps.length, part.channels, part.groups, add, relu);
      work(this.kernel.pixels7, 0, sevens);
      work(this.kernel.pixels1, sevens, columns - sevens);
    }
  }

  relu(from, to) {
    const {f} = this, shift = to.at - from.at >> 2, end = from.at + (from.height + 2) * from.row >> 2;
    for (let k = from.at >> 2; k < end; k++) f[k + shift] = cut(f[k]);
  }

  // Where pixel x, y of a channel lies, if squares of so many pixels have become channels (pixel-unshuffle).
  place(picture, square, channel, y, x) {
    const within = (channel * square + y % square) * square + x % square;
    return (picture.inside + Math.floor(y / square) * picture.row + Math.floor(x / square) * picture.pixel >> 2) + within;
  }
}

// ---- the networks -----------------------------------------------------------------------------------------------------

const sigmoid = v => 1 / (1 + Math.exp(-v));
const numbers = (tensors, name) => [...new Set(Object.keys(tensors).map(key => key.match(RegExp(`^${name}\\.(\\d+)\\.`))?.[1]))].filter(Boolean).sort((a, b) => a - b);

// The layers of a Sequential, with a ReLU between each two. Convolutions of 4 by 4 halve the picture, or double it.
function sequence(machine, tensors, name, doubles = false) {
  const places = numbers(tensors, name);
  return places.map((n, k) => {
    const weight = tensors[`${name}.${n}.weight`], bias = tensors[`${name}.${n}.bias`], side = weight.shape[2] ?? 1, padding = side > 1 ? 1 : 0;
    const layer = side < 4 ? machine.conv(weight, bias, {padding}) : doubles ? machine.grow(weight, bias, {padding}) : machine.conv(weight, bias, {stride: 2, padding});
    return {...layer, relu: Number(k < places.length - 1)};
  });
}

// One layer after the other: gives, for a size, the first and the last picture and a function that does the work between them.
const chain = (machine, layers, channels) => (height, width) => {
  const pictures = [machine.picture(height, width, channels)];
  for (const {outputs, stride, spread} of layers) {
    const {height, width} = pictures.at(-1);
    pictures.push(machine.picture(height * spread / stride, width * spread / stride, outputs));
  }
  function* work(first = 0, end = layers.length) { for (let k = first; k < end; k++) yield machine.run(layers[k], pictures[k], pictures[k + 1], layers[k]); }
  return {pictures, first: pictures[0], last: pictures.at(-1), work};
};

function unet(machine, tensors, channels) {
  const get = (name, kind, options) => machine[kind](tensors[`${name}.weight`], tensors[`${name}.bias`], options), padding = 1;
  const blocks = name => numbers(tensors, name).map(n => ['first', 'second'].map(which => get(`${name}.${n}.${which}`, 'conv', {padding})));
  const first = get('first', 'conv', {padding}), last = get('last', 'conv', {padding});
  const sizes = numbers(tensors, 'down').map(n => ({down: blocks(`down.${n}`), up: blocks(`up.${n}`), width: tensors[`down.${n}.0.first.weight`].shape[0]}));
  const between = numbers(tensors, 'shrink').map(n => ({shrink: get(`shrink.${n}`, 'conv', {stride: 2}), grow: get(`grow.${n}`, 'grow')}));
  return (height, width) => {
    const picture = machine.picture(height, width, channels), output = machine.picture(height, width, channels);
    const level = sizes.map(({width: wide}, n) => ['h', 'a', 'b'].reduce((all, name) => ({...all, [name]: machine.picture(height >> n, width >> n, wide)}), {}));
    function* residual({h, a, b}, blocks) {
      for (const [one, two] of blocks) {
        machine.relu(h, a);
        yield machine.run(one, a, b, {relu: 1});
        yield machine.run(two, b, h, {add: 1});
      }
    }
    function* work() {
      yield machine.run(first, picture, level[0].h);
      for (const [n, {down}] of sizes.entries()) {
        if (n) yield machine.run(between[n - 1].shrink, level[n - 1].h, level[n].h);
        yield* residual(level[n], down);
      }
      for (let n = sizes.length - 2; n >= 0; n--) {
        yield machine.run(between[n].grow, level[n + 1].h, level[n].h, {add: 1});      // onto what was there on the way down
        yield* residual(level[n], sizes[n].up);
      }
      yield machine.run(last, level[0].h, output);
    }
    return {first: picture, last: output, work};
  };
}

// For each class: the sides of the squares that become channels, of what height and width must be multiples, and the plan for a size.
const kinds = {
  Autoencoder: (machine, tensors) => {
    const encoder = sequence(machine, tensors, 'encoder'), decoder = sequence(machine, tensors, 'decoder');
    return {square: 28, multiple: 28, fixed: true, end: sigmoid, middle: encoder.length, plan: chain(machine, [...encoder, ...decoder], 784)};
  },
  MLPDenoiser: (machine, tensors, {residual}) =>
    ({square: 28, multiple: 28, fixed: true, end: residual ? null : sigmoid, plan: chain(machine, sequence(machine, tensors, 'layers'), 784)}),
  ConvAutoencoder: (machine, tensors, {channels = 1}) => {
    const layers = [...sequence(machine, tensors, 'encoder'), ...sequence(machine, tensors, 'decoder', true)];
    return {square: 1, multiple: 4, plan: chain(machine, layers, channels)};
  },
  UNet: (machine, tensors, {channels = 1, shuffle = 1}) =>
    ({square: shuffle, multiple: shuffle * 2 ** (numbers(tensors, 'down').length - 1), plan: unet(machine, tensors, channels * shuffle ** 2)}),
};

function through(steps) {                      // to the end, without a stop
  for (;;) { const {done, value} = steps.next(); if (done) return value; }
}

AE.network = (name, {plain = false} = {}) => {
  if (!AE.models[name]) throw Error(`there is no network ${name} in this page, but ${Object.keys(AE.models).join(', ') || 'none at all'}`);
  const {config, weights} = AE.models[name], machine = new Machine(plain), {channels = 1, residual = false} = config;
  const {square, multiple, fixed, end, middle, plan} = kinds[config.class](machine, AE.tensors(AE.bytes(weights)), config), weightsEnd = machine.top;
  let size, now;

  function fit(height, width) {                // make the pictures between the layers, unless those of this size are there
    if (size === `${height} ${width}`) return;
    size = null;
    machine.forget(weightsEnd);
    now = plan(...[height, width].map(side => Math.ceil(side / multiple) * multiple / square));
    size = `${height} ${width}`;
  }

  function each(height, width, visit) {        // every pixel, with its place in a picture
    for (let c = 0, k = 0; c < channels; c++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++, k++) visit(k, c, y, x);
  }

  function load(picture, height, width) {      // mirrored at the right and below, up to a multiple
    const mirrored = (n, length) => { const period = Math.max(2 * length - 2, 1); return Math.min(n % period, period - n % period); };
    each(now.first.height * square, now.first.width * square, (_, c, y, x) => {
      machine.f[machine.place(now.first, square, c, y, x)] = picture[(c * height + mirrored(y, height)) * width + mirrored(x, width)];
    });
  }

  function result(height, width) {
    const out = new Float32Array(channels * height * width);
    each(height, width, (k, c, y, x) => { out[k] = machine.f[machine.place(now.last, square, c, y, x)]; });
    return end ? out.map(end) : out;
  }

  function* steps(picture, height = 28, width = 28) {      // stops after each layer, for pages that have something else to do
    if (picture.length !== channels * height * width) throw Error(`a picture of ${channels} × ${height} × ${width} pixels has ${channels * height * width} numbers, not ${picture.length}`);
    if (fixed && (height !== 28 || width !== 28)) throw Error(`the ${config.class} takes pictures of 28 by 28 pixels, not ${height} by ${width}`);
    fit(height, width);
    load(picture, height, width);
    yield* now.work();
    const out = result(height, width);
    return residual ? out.map((v, k) => picture[k] - v) : out;
  }
  const run = (...given) => through(steps(...given)), network = {name, config, channels, fixed: Boolean(fixed), engine: machine.engine, steps, run};
  if (middle) {
    network.encode = picture => {
      fit(28, 28);
      load(picture, 28, 28);
      through(now.work(0, middle));
      const {inside, channels: count} = now.pictures[middle];
      return machine.f.slice(inside >> 2, (inside >> 2) + count);
    };
    network.decode = latent => {
      fit(28, 28);
      machine.f.set(latent, now.pictures[middle].inside >> 2);
      through(now.work(middle));
      return result(28, 28);
    };
  }
  return network;
};

const made = {};
AE.denoise = (name, picture) => (made[name] ??= AE.network(name)).run(picture);
})();
