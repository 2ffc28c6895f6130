'use strict'
// One slide at a time, an overview, and the notes in a second window. No other file and no network are needed.
const slides = [...document.querySelectorAll('.slide')], body = document.body, root = document.documentElement
const speaker = location.search === '?notes'
const opened = Date.now()
let current = 0, other = speaker ? window.opener : null

const numberIn = hash => Math.min(Math.max(parseInt(hash.slice(1)) || 1, 1), slides.length) - 1

function show(number, {tell = true} = {}) {
  current = Math.min(Math.max(number, 0), slides.length - 1)
  slides.forEach((slide, n) => {
    slide.classList.toggle('current', n === current)
    slide.classList.toggle('following', speaker && n === current + 1)
    slide.setAttribute('aria-hidden', String(n !== current && !body.classList.contains('overview')))
  })
  if (location.hash !== `#${current + 1}`) history.replaceState(null, '', `#${current + 1}`)
  if (tell && other && !other.closed) other.postMessage({slide: current}, '*')
  slides[current].focus({preventScroll: !body.classList.contains('overview')})
}

function section(step) { // to the first slide of the next column, or of this one or the one before
  const starts = [...document.querySelectorAll('.column')].map(column => slides.indexOf(column.firstElementChild))
  show(step > 0 ? starts.find(n => n > current) ?? current : starts.findLast(n => n < current) ?? 0)
}

function resize() {
  const tall = innerHeight > innerWidth // a phone held upright has room for the notes
  body.classList.toggle('with-notes', !speaker && !overview() && (wanted || tall))
  const withNotes = body.classList.contains('with-notes')
  const scale = Math.min(innerWidth / 1280, (withNotes ? .62 : 1) * innerHeight / 720)
  root.style.setProperty('--scale', scale)
  root.style.setProperty('--room', withNotes ? `${720 * scale}px` : '100vh')
  root.style.setProperty('--now', Math.min(.6 * (innerWidth - 48) / 1280, .55 * innerHeight / 720))
  root.style.setProperty('--then', Math.min(.4 * (innerWidth - 48) / 1280, .45 * innerHeight / 720))
}

let wanted = false
const overview = on => on === undefined ? body.classList.contains('overview') : (
  body.classList.toggle('overview', on), resize(), slides.forEach(slide => slide.tabIndex = on ? 0 : -1), show(current),
  on && slides[current].scrollIntoView({block: 'center'}))

function theme() {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  root.dataset.theme = dark ? 'light' : 'dark'
  try { localStorage.setItem('slides-theme', root.dataset.theme) } catch { /* not kept, then */ }
}

function notes() {
  other = window.open(`${location.href.split(/[?#]/)[0]}?notes#${current + 1}`, 'notes', 'width=1100,height=800')
  if (!other) { wanted = true, resize() } // the browser allows no second window
}

const help = document.querySelector('.help')
const actions = {
  next: () => show(current + 1), back: () => show(current - 1), down: () => section(1), up: () => section(-1),
  first: () => show(0), last: () => show(slides.length - 1), overview: () => overview(!overview()), theme,
  notes: () => speaker || notes(), under: () => { wanted = !body.classList.contains('with-notes'), resize() },
  screen: () => document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen(),
  help: () => help.open ? help.close() : help.showModal(),
}
const keys = {
  ArrowRight: 'next', PageDown: 'next', ' ': 'next', ArrowLeft: 'back', PageUp: 'back', ArrowDown: 'down', ArrowUp: 'up',
  Home: 'first', End: 'last', o: 'overview', s: 'notes', n: 'under', d: 'theme', f: 'screen', '?': 'help',
}

addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open && event.key !== '?') return
  if (overview() && (event.key === 'Enter' || event.key === 'Escape')) {
    if (event.key === 'Enter') current = Math.max(slides.indexOf(document.activeElement.closest('.slide') ?? slides[current]), 0)
    return overview(false)
  }
  if (event.target.closest('button, a') && (event.key === ' ' || event.key === 'Enter')) return
  if (event.target.closest('.notes') && ['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', ' '].includes(event.key)) return // they scroll
  const name = event.key === ' ' && event.shiftKey ? 'back' : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key]
  if (name) event.preventDefault(), actions[name]()
})
document.querySelector('.keys').addEventListener('click', event => actions[event.target.dataset.do]?.())
addEventListener('click', event => {
  const slide = overview() && event.target.closest('.slide')
  if (slide) event.preventDefault(), current = slides.indexOf(slide), overview(false)
})
let start = null
addEventListener('touchstart', event => {
  start = event.touches.length === 1 && !event.target.closest('.notes') ? event.touches[0] : null
}, {passive: true})
addEventListener('touchend', event => {
  if (!start || overview()) return
  const x = event.changedTouches[0].clientX - start.clientX, y = event.changedTouches[0].clientY - start.clientY
  if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) actions[x < 0 ? 'next' : 'back']()
}, {passive: true})
addEventListener('message', event => {
  if (event.source === other && Number.isInteger(event.data?.slide)) show(event.data.slide, {tell: false})
})
addEventListener('hashchange', () => show(numberIn(location.hash)))
addEventListener('resize', resize)

function fit(slide) { // where the fonts of this computer are wider than expected: smaller, but never below what can be read from the last row
  const inside = slide.querySelector('.body')
  const full = () => inside.scrollHeight > inside.clientHeight || inside.scrollWidth > inside.clientWidth || [...inside.querySelectorAll('pre, table, .display')].some(
    each => each.scrollWidth > each.clientWidth + 1 || each.offsetWidth > inside.clientWidth)
  const shrinking = [...inside.querySelectorAll('[data-floor]')]
  for (let more = true; more && full();) {
    more = false
    for (const each of shrinking) {
      const size = parseFloat(getComputedStyle(each).fontSize)
      if (size > +each.dataset.floor) each.style.fontSize = `${Math.max(size - 1, +each.dataset.floor)}px`, more = true
    }
  }
}

root.classList.add('js')
try { if (localStorage.getItem('slides-theme')) root.dataset.theme = localStorage.getItem('slides-theme') } catch { /* the system's, then */ }
if (speaker) {
  body.classList.add('speaker')
  const clock = document.querySelector('.clock'), two = n => String(n).padStart(2, '0')
  const tick = () => { const s = Math.floor((Date.now() - opened) / 1000); clock.textContent = `${two(Math.floor(s / 60))}:${two(s % 60)}` }
  tick()
  setInterval(tick, 500)
}
resize()
slides.forEach(fit)
show(numberIn(location.hash))
