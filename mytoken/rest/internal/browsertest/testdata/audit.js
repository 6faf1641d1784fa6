// Looks for what makes a page hard to use in the current window, and describes it in
// words. The numbers are those of WCAG 2.2, level AA.
(() => {
  const problems = []
  const name = (e) => e.tagName.toLowerCase() + (e.id ? '#' + e.id : e.className ? '.' + e.className : '')
  const say = (e, text) => problems.push(name(e) + ': ' + text)
  const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown)

  if (!document.documentElement.lang) problems.push('the page does not say its language')
  if (!document.title.trim()) problems.push('the page has no title')
  if (all('h1').length !== 1) problems.push('there are ' + all('h1').length + ' main headings')
  if (all('main').length !== 1) problems.push('there are ' + all('main').length + ' main parts')
  let level = 0
  for (const h of all('h1, h2, h3, h4, h5, h6')) {
    const own = Number(h.tagName[1])
    if (own > level + 1) say(h, 'a heading of level ' + own + ' follows one of level ' + level)
    if (!h.textContent.trim()) say(h, 'an empty heading')
    level = own
  }

  const ids = new Set()
  for (const e of document.querySelectorAll('[id]')) {
    if (ids.has(e.id)) say(e, 'the id occurs twice')
    ids.add(e.id)
  }
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'for']) {
    for (const e of document.querySelectorAll('[' + attribute + ']')) {
      for (const id of e.getAttribute(attribute).split(/\s+/)) {
        if (!ids.has(id)) say(e, attribute + ' names ' + id + ', which is not there')
      }
    }
  }
  for (const e of all('a[href^="#"]')) {
    if (!ids.has(e.getAttribute('href').slice(1))) say(e, 'leads nowhere')
  }
  for (const e of all('input:not([type=hidden]), select, textarea')) {
    if (!(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')) say(e, 'has no label')
  }
  for (const e of all('img')) if (!e.hasAttribute('alt')) say(e, 'has no text instead')

  const width = document.documentElement.scrollWidth
  const room = document.documentElement.clientWidth // a phone enlarges innerWidth to content that does not fit
  if (width > room) {
    say(document.documentElement, 'is ' + width + ' wide in a window of ' + room)
    for (const e of all('main *')) {
      const right = Math.ceil(e.getBoundingClientRect().right)
      if (right > room) say(e, 'reaches to ' + right)
    }
  }
  for (const e of all('input:not([type=hidden]), select, textarea, button')) {
    const around = e.parentElement.closest('fieldset, section, form, main, header')
    const room = around.getBoundingClientRect().right - parseFloat(getComputedStyle(around).paddingRight)
    const right = e.getBoundingClientRect().right
    if (right > room + 1) say(e, 'sticks out by ' + Math.round(right - room))
  }
  for (const e of all('button, select, input:not([type=hidden]), a.button, summary')) {
    const pressed = /checkbox|radio/.test(e.type) && e.labels.length ? e.labels[0] : e
    const box = pressed.getBoundingClientRect()
    const inline = getComputedStyle(e).display === 'inline'
    if (!inline && e.tabIndex >= 0 && (box.width < 24 || box.height < 24)) say(e, 'is only ' + Math.round(box.width) + ' by ' + Math.round(box.height))
  }

  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = 1
  const pen = canvas.getContext('2d', { willReadFrequently: true })
  const paint = (colours) => {
    pen.fillStyle = 'white'
    pen.fillRect(0, 0, 1, 1)
    for (const c of colours) {
      pen.fillStyle = c
      pen.fillRect(0, 0, 1, 1)
    }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3)
  }
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ratio = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x)
    return (light + 0.05) / (dark + 0.05)
  }
  const behind = (e) => {
    const colours = []
    for (; e; e = e.parentElement) colours.unshift(getComputedStyle(e).backgroundColor)
    return colours
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement
    if (!texts.currentNode.data.trim() || !shown(e) || e.closest('svg, script, style, noscript')) continue
    const style = getComputedStyle(e)
    const size = parseFloat(style.fontSize)
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
    const back = behind(e)
    const got = ratio(paint([...back, style.color]), paint(back))
    if (got < (large ? 3 : 4.5)) say(e, 'a contrast of ' + got.toFixed(2) + ' in "' + texts.currentNode.data.trim().slice(0, 30) + '"')
  }
  for (const e of all('input:not([type=hidden]):not([type=checkbox]):not([type=radio]), select, textarea')) {
    const back = behind(e.parentElement)
    const got = ratio(paint([...back, getComputedStyle(e).borderTopColor]), paint(back))
    if (got < 3) say(e, 'its border has a contrast of ' + got.toFixed(2))
  }
  return problems
})()
