// The playground: a picture, noise, and what takes it away; the numbers in the middle of an autoencoder; a walk from noise to a digit.
// It fills every element with the attribute data-playground, whose value is the level of its headings. With data-short it shows the noise and
// what takes it away, and nothing more. What it shows stands in denoiseAE.page, from Python: which networks, ten digits, the spread of the
// latent numbers, where a walk starts. Networks that are not in the page yet are scripts beside this one.
(() => {
'use strict';
const AE = self.denoiseAE, SIDE = 28, SIZE = SIDE * SIDE;
const inPage = document.getElementById('denoise-ae-page');
if (inPage) Object.assign(AE, JSON.parse(inPage.textContent));
const here = (document.currentScript?.src ?? '').replace(/[^/]*$/, '');
const NAMES = {Autoencoder: 'autoencoder', MLPDenoiser: 'MLP', ConvAutoencoder: 'convolutional autoencoder', UNet: 'U-Net'};
const FILES = {autoencoder: 'Autoencoder', mlpdenoiser: 'MLPDenoiser', convautoencoder: 'ConvAutoencoder', unet: 'UNet'};

// ---- numbers that come again for the same seed, so that the noise stays while a handle moves ----------------------------

function generator(seed) {                     // mulberry32
  return () => {
    seed = seed + 0x6D2B79F5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}
const normal = next => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

function photons(rate, share, bell) {          // how many are counted: the number that a share of all counts stays below
  if (rate > 600) return Math.round(rate + Math.sqrt(rate) * bell);
  let count = 0, chance = Math.exp(-rate), sum = chance;
  while (share > sum && count < 2000) sum += chance *= rate / ++count;
  return count;
}

const percent = amount => `${Math.round(100 * amount)} %`;
const KINDS = {
  'gaussian': {name: 'Gaussian', says: a => `standard deviation ${a.toFixed(2)}`, make: (x, a, {bell}) => x.map((v, k) => v + a * bell[k])},
  'salt-and-pepper': {name: 'salt and pepper', says: a => `${percent(a)} of the pixels lost, to white or black`,
                      make: (x, a, {share}) => x.map((v, k) => share[k] < a / 2 ? 1 : share[k] < a ? 0 : v)},
  'holes': {name: 'holes', says: a => `${percent(a)} of the pixels lost, to black`, make: (x, a, {share}) => x.map((v, k) => share[k] < a ? 0 : v)},
  'photons': {name: 'photons', says: a => a ? `a white pixel counts ${(a ** -2).toPrecision(2) * 1} photon${a < 1 ? 's' : ''}` : 'none',
              make: (x, a, {share, bell}) => a ? x.map((v, k) => photons(v / a ** 2, share[k], bell[k]) * a ** 2) : x.slice()},
};

AE.median = x => {                             // of each pixel and its eight neighbours; beyond the edge the picture is mirrored
  const at = n => n < 0 ? -1 - n : n >= SIDE ? 2 * SIDE - 1 - n : n, out = new Float32Array(SIZE), near = new Float32Array(9);
  for (let row = 0; row < SIDE; row++) for (let column = 0; column < SIDE; column++) {
    for (let k = 0; k < 9; k++) near[k] = x[SIDE * at(row + Math.floor(k / 3) - 1) + at(column + k % 3 - 1)];
    out[SIDE * row + column] = near.sort()[4];
  }
  return out;
};

const clipped = v => Math.min(1, Math.max(0, v));
AE.psnr = (x, clean) => -10 * Math.log10(x.reduce((sum, v, k) => sum + (clipped(v) - clean[k]) ** 2, 0) / x.length);

// Which digit a linear classifier takes a picture for: its weights are bytes, with a scale for each digit.
AE.read = (x, {weights, scales, biases}) => {
  const bytes = new Int8Array(AE.bytes(weights).buffer);
  const says = scales.map((scale, digit) => x.reduce((sum, v, k) => sum + v * bytes[SIZE * digit + k], 0) * scale + biases[digit]);
  return says.indexOf(Math.max(...says));
};

// One step of lesson 09: what the network says is clean, and so much noise on top of it, part of it fresh.
AE.step = (seen, said, now, following, eta, next) => {
  const fresh = Math.min(1, eta ** 2 * (1 - (following / now) ** 2));
  return said.map((clean, k) => clean + following * (Math.sqrt(1 - fresh) * (seen[k] - clean) / now + Math.sqrt(fresh) * normal(next)));
};

// ---- pictures -------------------------------------------------------------------------------------------------------------

function paint(canvas, x) {
  const image = new ImageData(SIDE, SIDE);
  x.forEach((v, k) => image.data.set([255 * v, 255 * v, 255 * v, 255], 4 * k));
  canvas.getContext('2d').putImageData(image, 0, 0);
}

// A picture of one's own has sixteen greys, so that it fits into an address, as letters.
const packed = x => btoa(String.fromCharCode(...Array.from({length: SIZE / 2}, (_, k) => Math.round(15 * x[2 * k]) << 4 | Math.round(15 * x[2 * k + 1])))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
function unpacked(text) {
  const bytes = AE.bytes(text.replaceAll('-', '+').replaceAll('_', '/'));
  if (bytes.length !== SIZE / 2) throw Error('a picture of another size');
  return Float32Array.from({length: SIZE}, (_, k) => (k % 2 ? bytes[k >> 1] & 15 : bytes[k >> 1] >> 4) / 15);
}

// ---- the page ---------------------------------------------------------------------------------------------------------------

const markup = (h, short) => `
<div class="dae-top">
  <figure class="dae-paper"><div><canvas data-pad width="28" height="28" tabindex="0" role="application" aria-label="Your picture. Arrow keys move the pen, space puts it down or lifts it, delete clears."></canvas><span data-pen hidden></span></div>
    <figcaption>Draw here${short ? '' : ', with a mouse, a finger, or arrow keys and space'}.</figcaption></figure>
  <div>
    <div class="dae-digits" data-digits role="group" aria-label="or pick a digit"></div>
    <div class="dae-buttons"><button type="button" data-clear>clear</button><button type="button" data-centre>centre</button><button type="button" data-again>other noise</button>
      <label>noise <select data-kind>${Object.entries(KINDS).map(([value, {name}]) => `<option value="${value}">${name}</option>`).join('')}</select></label></div>
    <label class="dae-amount">how much: <output data-says></output><input data-amount type="range" min="0" max="1" step="0.01" value="0.5"></label>
  </div>
</div>
<div class="dae-tiles" data-tiles></div>
<p class="dae-small">Computed in this page by <span data-engine>…</span> in <span data-took>…</span>; nothing is sent anywhere. The decibels are the PSNR against your picture, after clipping.</p>
<button type="button" data-more hidden>show the MLP, too (3.8 MB)</button>
<div data-beyond>
<${h}>Can you …</${h}>
<ul class="dae-tasks" data-tasks></ul>
<div data-middle hidden><${h} data-middle-title></${h}>
  <p>The autoencoder has only these numbers for your picture. Move one, by up to three times its spread over many digits.</p>
  <div class="dae-latent"><div><div class="dae-handles" data-handles></div><button type="button" data-zero>all back to 0</button></div>
    <figure><canvas data-decoded width="28" height="28" role="img" aria-label="your picture, decoded from its numbers"></canvas><figcaption>decoded</figcaption></figure>
    <figure><canvas data-moved width="28" height="28" role="img" aria-label="decoded from the numbers you have moved"></canvas><figcaption>moved</figcaption></figure></div>
  <p class="dae-small" data-reading hidden>A linear classifier, which takes <span data-right></span> of the test digits for what they are, takes the moved one for a <output data-read></output>.</p></div>
<div data-walk hidden><${h}>From noise to a digit</${h}>
  <p>Ask the network forty times, and put less noise back each time. Nobody wrote what comes out.</p>
  <div class="dae-walk"><div class="dae-buttons"><button type="button" data-start>walk</button><button type="button" data-use disabled>denoise this one above</button><output data-step></output></div>
    <figure><canvas data-seen width="28" height="28" role="img" aria-label="what the network sees"></canvas><figcaption>seen</figcaption></figure>
    <figure><canvas data-said width="28" height="28" role="img" aria-label="what the network says"></canvas><figcaption>said</figcaption></figure></div></div></div>
<p class="dae-heard" data-news role="status" aria-live="polite"></p><p class="dae-heard" data-heard role="status" aria-live="polite"></p><p class="dae-heard" data-pen-heard role="status" aria-live="polite"></p>`;

// What a reader is asked to do, and how the page notices that it has been done.
const TASKS = [
  {text: 'make the median filter the best of all?', done: ({best}) => best === 'median'},
  {text: 'make doing nothing the best, though there is noise?', done: ({best, value}) => best === 'noisy' && value < Infinity},
  {text: 'turn the 4 into a 9, by one of the numbers alone?', needs: 'reader', done: ({digit, moved, read}) => digit === 4 && moved === 1 && read === 9},
];

const loading = {};
const load = name => AE.models[name] ? Promise.resolve() : loading[name] ??= new Promise((done, failed) => {
  const script = document.createElement('script');
  script.src = `${here}${name}.js`;
  script.onload = done;
  script.onerror = () => { delete loading[name]; failed(Error(`${name}.js is not beside the page`)); };
  document.head.append(script);
});

function digits(root, short) {
  const page = AE.page, shown = short ? page.short : page.networks, still = matchMedia('(prefers-reduced-motion: reduce)');
  const $ = name => root.querySelector(`[data-${name}]`), networks = {median: {run: AE.median}}, tiles = {}, handles = [];
  const pixels = AE.bytes(page.digits), clean = new Float32Array(SIZE);
  const state = {digit: 8, seed: 1, own: false};
  let field, noisy = clean, waiting = false;

  function draw() {
    const next = generator(state.seed);
    field = {bell: Float32Array.from(clean, () => normal(next)), share: Float32Array.from(clean, next)};
  }
  function later() {                           // all moves of a frame are answered at once
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; update(); });
  }
  const touched = () => { touched.at = location.hash; later(); };

  // ---- noise, and what takes it away
  function addTile(name, title) {
    const tile = document.createElement('figure');
    tile.innerHTML = '<canvas width="28" height="28" role="img"></canvas><figcaption><b></b><span></span><span class="dae-best"></span></figcaption>';
    tile.querySelector('b').textContent = title;
    $('tiles').append(tile);
    tiles[name] = {tile, title, canvas: tile.querySelector('canvas'), decibels: tile.querySelector('span'), mark: tile.querySelector('.dae-best')};
  }
  $('beyond').hidden = short;
  root.classList.toggle('dae-short', short);
  const tasks = short ? [] : TASKS.filter(({needs}) => !needs || page[needs]).map(task => {
    const item = document.createElement('li');
    item.append(`… ${task.text}`, document.createElement('span'));
    $('tasks').append(item);
    return {...task, item};
  });
  addTile('noisy', 'doing nothing');
  addTile('median', 'median filter');
  for (const name of shown) addTile(name, NAMES[AE.models[name]?.config.class ?? FILES[name]]);

  function update() {
    const kind = KINDS[$('kind').value], amount = Number($('amount').value), start = performance.now(), found = [];
    noisy = kind.make(clean, amount, field);
    const blank = !clean.some(v => v > 0);
    for (const [name, {canvas, decibels, title}] of Object.entries(tiles)) {
      if (name !== 'noisy' && !networks[name]) { decibels.textContent = 'is being loaded'; continue; }
      const x = name === 'noisy' ? noisy : networks[name].run(noisy), value = AE.psnr(x, clean);
      const text = blank ? 'nothing to compare' : value === Infinity ? 'without an error' : `${value.toFixed(1)} dB`;
      paint(canvas, x);
      decibels.textContent = text;
      canvas.setAttribute('aria-label', `${title}: ${text}`);
      if (!blank) found.push([value, name]);
    }
    const [value, best] = found.reduce((a, b) => b[0] > a[0] ? b : a, [-Infinity, null]);
    for (const [name, {tile, mark}] of Object.entries(tiles)) {
      tile.classList.toggle('dae-first', name === best);
      mark.textContent = name === best ? '★ best' : '';
    }
    paint($('pad'), clean);
    const read = updateLatent(), moved = handles.filter(handle => Number(handle.value)).length, news = [];
    for (const task of 'at' in touched ? tasks : []) {
      if (task.item.className || !task.done({best, value, digit: state.digit, moved, read})) continue;
      task.item.className = 'dae-done';
      task.item.lastChild.textContent = ' ✓ done';
      news.push(`Done: ${task.text.slice(0, -1)}.`);
    }
    if (news.length) $('news').textContent = news.join(' ');
    $('says').textContent = kind.says(amount);
    $('amount').setAttribute('aria-valuetext', kind.says(amount));
    $('took').textContent = `${Math.round(performance.now() - start)} ms`;
    clearTimeout(update.later);                // the end of a drag is said and kept, not each step of it
    update.later = setTimeout(() => {          // who has followed a link meanwhile keeps its address
      if (location.hash === touched.at) history.replaceState(null, '', `#${address()}`);
      $('heard').textContent = best ? `${kind.name} noise, ${kind.says(amount)}: ${tiles[best].title} is best, ${value < Infinity ? `with ${value.toFixed(1)} decibels` : 'without an error'}.` : 'Your picture is empty.';
    }, 500);
  }

  // ---- the picture
  function show(picture, {digit = null} = {}) {
    clean.set(digit === null ? picture.map(v => Math.round(15 * clipped(v)) / 15) : picture);
    Object.assign(state, {digit, own: digit === null});
    [...$('digits').children].forEach((button, n) => button.setAttribute('aria-pressed', n === digit));
    back();
    later();
  }
  const pick = digit => show(pixels.subarray(SIZE * digit, SIZE * (digit + 1)).reduce((x, v, k) => { x[k] = v / 255; return x; }, new Float32Array(SIZE)), {digit});
  for (let digit = 0; digit < 10; digit++) {
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-label', `digit ${digit}`);
    button.innerHTML = '<canvas width="28" height="28"></canvas>';
    paint(button.firstChild, Float32Array.from(pixels.subarray(SIZE * digit, SIZE * (digit + 1)), v => v / 255));
    button.onclick = () => { pick(digit); touched(); };
    $('digits').append(button);
  }

  function dab(x, y) {                         // soft and round, about as wide as a stroke of MNIST
    for (let k = 0; k < SIZE; k++) clean[k] = Math.max(clean[k], Math.round(15 * clipped(1.75 - Math.hypot(k % SIDE + .5 - x, Math.floor(k / SIDE) + .5 - y))) / 15);
  }
  const begin = () => { if (!state.own) show(new Float32Array(SIZE)); };
  const pad = $('pad'), pen = {x: 14, y: 14, down: false};
  let last = null, finger;                     // one of them draws, whatever else touches the paper
  const place = ({clientX, clientY}) => { const box = pad.getBoundingClientRect(); return [(clientX - box.left) / box.width * SIDE, (clientY - box.top) / box.height * SIDE]; };
  pad.onpointerdown = event => {
    if (last || event.button) return;
    finger = event.pointerId;
    pad.setPointerCapture(event.pointerId);
    $('pen').hidden = true;
    begin();
    dab(...last = place(event));
    touched();
  };
  pad.onpointermove = event => {
    if (!last || event.pointerId !== finger) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const [x, y] = place(each), [fromX, fromY] = last, steps = Math.ceil(2 * Math.hypot(x - fromX, y - fromY)) || 1;
      for (let k = 1; k <= steps; k++) dab(fromX + (x - fromX) * k / steps, fromY + (y - fromY) * k / steps);
      last = [x, y];
    }
    touched();
  };
  pad.onpointerup = pad.onpointercancel = ({pointerId}) => { if (pointerId === finger) last = null; };
  pad.onblur = () => { pen.down = false; $('pen').hidden = true; };
  pad.onkeydown = event => {
    const [x, y] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key] ?? [0, 0];
    if (x || y) Object.assign(pen, {x: Math.min(26, Math.max(2, pen.x + x)), y: Math.min(26, Math.max(2, pen.y + y))});
    else if (event.key === ' ') pen.down = !pen.down;
    else if (event.key === 'Delete' || event.key === 'Backspace') show(new Float32Array(SIZE));
    else return;
    event.preventDefault();
    if (pen.down) { begin(); dab(pen.x, pen.y); }
    Object.assign($('pen').style, {left: `${100 * pen.x / SIDE}%`, top: `${100 * pen.y / SIDE}%`});
    $('pen').hidden = false;
    $('pen-heard').textContent = `pen ${pen.down ? 'down' : 'up'}, column ${pen.x}, row ${pen.y}`;
    touched();
  };
  $('clear').onclick = () => { show(new Float32Array(SIZE)); touched(); };
  $('centre').onclick = () => {                // the centre of mass into the middle, as the digits of MNIST have it
    const sum = clean.reduce((a, v) => a + v, 0), middle = f => clean.reduce((a, v, k) => a + v * f(k), 0) / sum;
    const right = Math.round(13.5 - middle(k => k % SIDE)), down = Math.round(13.5 - middle(k => Math.floor(k / SIDE)));
    if (!sum || !(right || down)) return;
    show(clean.map((_, k) => { const x = k % SIDE - right, y = Math.floor(k / SIDE) - down; return x >= 0 && x < SIDE && y >= 0 && y < SIDE ? clean[SIDE * y + x] : 0; }));
    touched();
  };
  $('amount').oninput = $('kind').onchange = touched;
  $('again').onclick = () => { state.seed++; draw(); touched(); };

  // ---- the numbers in the middle
  (short ? [] : page.spread ?? []).forEach((_, k) => {
    const line = document.createElement('label');
    line.innerHTML = `<span>z${k}</span><input type="range" min="-3" max="3" step="0.1" value="0"><output>0.0</output>`;
    const [, handle, text] = line.children;
    handle.setAttribute('aria-label', `z${k}, in standard deviations`);
    handle.oninput = () => { text.textContent = Number(handle.value).toFixed(1); touched(); };
    handles.push(handle);
    $('handles').append(line);
  });
  function back() {
    for (const handle of handles) { handle.value = 0; handle.nextElementSibling.textContent = '0.0'; }
  }
  $('zero').onclick = () => { back(); touched(); };
  function updateLatent() {
    const network = Object.values(networks).find(each => each.encode);
    if (short || !network || !page.spread) return;
    const latent = network.encode(clean), moved = latent.map((v, k) => v + Number(handles[k]?.value ?? 0) * page.spread[k]);
    paint($('decoded'), network.decode(latent));
    const picture = network.decode(moved);
    paint($('moved'), picture);
    const read = page.reader && AE.read(picture, page.reader);
    $('read').textContent = read;
    return read;
  }

  // ---- from noise to a digit
  let walk = 0;
  $('start').onclick = () => {
    const {mean, axes, scales, rest} = page.start, next = generator(Math.random() * 2 ** 32), steps = 40, sigma = 1, least = .1, mine = ++walk;
    const around = AE.bytes(mean), directions = new Int8Array(AE.bytes(axes).buffer), network = networks[page.walks];
    let x = Float32Array.from(around, v => v / 255), k = 0;
    scales.forEach((scale, a) => { const far = normal(next) * scale; x.forEach((v, j) => { x[j] = v + far * directions[SIZE * a + j]; }); });
    x = x.map(v => v + Math.hypot(sigma, rest) * normal(next));
    const level = n => n < steps ? sigma * (least / sigma) ** (n / (steps - 1)) : 0;
    $('use').disabled = true;
    function step() {
      if (mine !== walk) return;
      const said = network.run(x);
      if (!still.matches || k === steps - 1) { paint($('seen'), x); paint($('said'), said); }
      x = AE.step(x, said, level(k), level(k + 1), 2, next);
      $('step').textContent = `step ${++k} of ${steps}`;
      if (k < steps) return requestAnimationFrame(step);
      $('use').disabled = false;
      $('use').onclick = () => { show(x); touched(); root.scrollIntoView({behavior: still.matches ? 'auto' : 'smooth'}); };
      $('heard').textContent = 'A new digit has been drawn from noise.';
    }
    step();
  };

  // ---- the state in the address, to send it to somebody
  function address() {
    const moved = handles.map(handle => Number(handle.value));
    return 'play:' + new URLSearchParams({...(state.own ? {drawn: packed(clean)} : {digit: state.digit}), noise: $('kind').value, amount: $('amount').value, seed: state.seed,
                                          ...(moved.some(Boolean) ? {z: moved.join('_')} : {})});
  }
  function follow() {
    if (!location.hash.startsWith('#play:')) return;
    const asked = new URLSearchParams(location.hash.slice(6)), digit = asked.get('digit'), seed = Number(asked.get('seed'));
    try { if (asked.has('drawn')) show(unpacked(asked.get('drawn'))); } catch { /* not what a page has written */ }
    if (/^\d$/.test(digit)) pick(Number(digit));
    if (Object.hasOwn(KINDS, asked.get('noise'))) $('kind').value = asked.get('noise');
    if (asked.has('amount')) $('amount').value = asked.get('amount');
    if (Number.isSafeInteger(seed) && seed > 0) { state.seed = seed; draw(); }
    (asked.get('z') ?? '').split('_').forEach((value, k) => { if (handles[k] && value) { handles[k].value = value; handles[k].oninput(); } });
    later();
  }
  addEventListener('hashchange', follow);

  // ---- the page is there at once, the networks come one after the other
  async function bring(name) {
    await load(name);
    networks[name] = AE.network(name);
    $('engine').textContent = networks[name].engine;
    if (networks[name].encode && page.spread) {
      $('reading').hidden = !page.reader;
      $('right').textContent = page.reader && percent(page.reader.right);
      $('middle').hidden = false;
      $('middle-title').textContent = `${{2: 'Two', 3: 'Three', 10: 'Ten'}[page.spread.length] ?? page.spread.length} numbers`;
    }
    if (name === page.walks) $('walk').hidden = false;
    later();
  }
  async function begun() {
    pick(8);
    draw();
    follow();
    for (const name of shown) await bring(name);
    for (const name of short ? [] : page.more ?? []) {
      $('more').hidden = false;
      $('more').onclick = async () => { $('more').hidden = true; addTile(name, NAMES[FILES[name]]); await bring(name); };
    }
  }
  return begun();
}

// ---- a picture of the reader's own, in whole and in a network of its own, as one that knows the size of digits would forget it ----

const MOST = 512, IN_GREY = [.299, .587, .114];
const owned = (h, example) => `
<${h}>A picture of your own</${h}>
<p>Drop one on this page, paste it, or choose a file. It stays in the page. What if there is noise in it already? Then put none on it.${AE.models[AE.page.pictures] ? '' : ' The network, 4.7 MB, is fetched for your first picture.'}</p>
<div class="dae-buttons"><label>picture <input type="file" accept="image/*" data-file></label>${example ? '<button type="button" data-example>take a photo from the course</button>' : ''}</div>
<label class="dae-amount">Gaussian noise put on it: <output data-grain-says></output><input data-grain type="range" min="0" max="0.5" step="0.01" value="0.1"></label>
<p class="dae-small"><span data-about role="status"></span> <span data-progress></span></p>
<div class="dae-own" data-own hidden>
  <figure><canvas data-before role="img"></canvas><figcaption data-before-says></figcaption></figure>
  <figure><canvas data-after role="img"></canvas><figcaption data-after-says></figcaption></figure></div>
<button type="button" data-save hidden>save the denoised picture</button>`;

function ones_own(root) {
  const $ = name => root.querySelector(`[data-${name}]`), {pictures, example} = AE.page;
  root.innerHTML = owned(`h${root.parentNode.dataset.playground || 3}`, example);
  let network, channels, clean, bell, height, width, turn = 0, taken = 0;

  function show(which, x, says) {
    const canvas = $(which), image = new ImageData(width, height), size = height * width;
    for (let k = 0; k < size; k++) for (let c = 0; c < 4; c++) image.data[4 * k + c] = c === 3 ? 255 : 255 * x[k + (channels === 3 ? c * size : 0)];
    Object.assign(canvas, {width, height});
    canvas.getContext('2d').putImageData(image, 0, 0);
    canvas.setAttribute('aria-label', says);
    canvas.classList.remove('dae-old');
    $(`${which}-says`).textContent = says;
  }
  const scored = (name, x, amount) => amount ? `${name}: ${AE.psnr(x, clean).toFixed(1)} dB` : name;

  async function take(file) {                  // or the photo that comes with the network
    const mine = ++taken;
    let bitmap;
    try {
      bitmap = file && await createImageBitmap(file);
      if (mine !== taken) return;
      if (!AE.models[pictures]) $('about').textContent = 'The network is being loaded …';
      await load(pictures);
      bitmap ??= await createImageBitmap(new Blob([AE.bytes(AE.example)]));
      if (mine !== taken) return;
      channels = AE.models[pictures].config.channels ?? 1;
      const scale = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
      [width, height] = [bitmap.width, bitmap.height].map(side => Math.max(1, Math.round(scale * side)));
      const context = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d');
      Object.assign(context, {fillStyle: '#fff', imageSmoothingQuality: 'high'}).fillRect(0, 0, width, height);
      context.drawImage(bitmap, 0, 0, width, height);
      const {data} = context.getImageData(0, 0, width, height), size = height * width, next = generator(1);
      clean = Float32Array.from({length: channels * size}, (_, k) => channels === 3 ? data[4 * (k % size) + Math.floor(k / size)] / 255
                                                                                    : IN_GREY.reduce((sum, part, c) => sum + part * data[4 * k + c], 0) / 255);
      bell = Float32Array.from(clean, () => normal(next));
      $('about').textContent = `${file ? file.name || 'Your picture' : 'The photo'}: ${width} × ${height} pixels${scale < 1 ? `, made smaller from ${bitmap.width} × ${bitmap.height}, or you would wait` : ''}.${channels === 1 ? ' The network sees it in grey.' : ''}`;
      update();
    } catch (error) {
      if (mine !== taken) return;
      $('about').textContent = bitmap || !file ? `The picture can't be denoised here: ${error.message}.` : `This browser can't read ${file.name || 'that'} as a picture: ${error.message}`;
    }
  }
  async function update() {
    const mine = ++turn, amount = Number($('grain').value), pause = time => new Promise(done => setTimeout(done, time));
    $('grain-says').textContent = amount ? `standard deviation ${amount.toFixed(2)}` : 'none';
    $('grain').setAttribute('aria-valuetext', $('grain-says').textContent);
    if (!clean) return;
    const noisy = clean.map((v, k) => v + amount * bell[k]);
    $('own').hidden = false;
    show('before', noisy, scored(amount ? 'with noise' : 'as it is', noisy, amount));
    $('after').classList.add('dae-old');       // it belongs to what was there before
    $('after-says').textContent = 'denoising …';
    $('progress').textContent = '';
    $('save').hidden = true;
    await pause(200);                          // a handle may be moving still
    if (mine !== turn) return;
    try {
      network ??= AE.network(pictures);
      const steps = network.steps(noisy, height, width), start = performance.now();
      let step, layers = 0, since = start;
      while (!(step = steps.next()).done) {
        layers++;
        if (performance.now() - since < 30) continue;
        $('progress').textContent = `Layer ${layers} …`;
        await pause(0);
        if (mine !== turn) return;
        since = performance.now();
      }
      show('after', step.value, scored('denoised', step.value, amount));
      $('progress').textContent = `Denoised in ${((performance.now() - start) / 1000).toFixed(1)} s by ${network.engine}.`;
      $('save').hidden = false;
    } catch (error) {
      $('progress').textContent = `The network can't take it: ${error.message}`;
    }
  }
  $('file').onchange = ({target}) => {
    if (target.files[0]) take(target.files[0]);
    target.value = '';                         // so that the same file can be chosen again
  };
  if (example) $('example').onclick = () => take();
  $('grain').oninput = update;
  addEventListener('dragover', event => { if (event.dataTransfer.types.includes('Files')) event.preventDefault(); });
  addEventListener('drop', event => {
    if (!event.dataTransfer.files[0]) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  addEventListener('paste', event => { if (event.clipboardData.files[0]) take(event.clipboardData.files[0]); });
  $('save').onclick = () => $('after').toBlob(blob => {
    const link = Object.assign(document.createElement('a'), {href: URL.createObjectURL(blob), download: 'denoised.png'});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
  update();
}

// Is it here what it was in PyTorch?
function checked({name, noisy, denoised}) {
  const [before, after] = [noisy, denoised].map(text => new Float32Array(AE.bytes(text).buffer)), now = AE.denoise(name, before);
  const apart = now.reduce((worst, v, k) => Math.max(worst, Math.abs(v - after[k])), 0), largest = after.reduce((worst, v) => Math.max(worst, Math.abs(v)), 1);
  if (!(apart <= 1e-5 * largest)) throw Error(`this browser computes other pictures than PyTorch did, by up to ${apart.toPrecision(2)}`);
  return `On a random picture this page differs from PyTorch by ${apart ? apart.toExponential(0) : 0} at most.`;
}

async function playground(root) {
  const part = (name, html = '') => { const it = Object.assign(document.createElement(name), {innerHTML: html}); root.append(it); return it; };
  root.classList.add('dae');
  root.replaceChildren();
  try {
    const short = 'short' in root.dataset;
    if (AE.page.digits) await digits(part('div', markup(`h${root.dataset.playground || 3}`, short)), short);
    if (AE.page.pictures && !short) ones_own(part('div'));
    if (AE.page.check) Object.assign(part('p'), {className: 'dae-small', textContent: checked(AE.page.check)}).dataset.checked = '';
  } catch (error) {
    root.innerHTML = '<p role="alert"></p>';
    root.firstChild.textContent = `The playground can't work here: ${error.message}.`;
  }
}

AE.ready = Promise.all([...document.querySelectorAll('[data-playground]')].map(playground));
})();
