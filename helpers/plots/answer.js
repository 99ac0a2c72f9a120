// Body of the answer's js_on_load: the line in the chart goes with the player's time.
element.addEventListener('timeupdate', ({target}) => {
  const cursor = element.querySelector('.cursor');
  cursor.hidden = false; cursor.style.left = `${100 * target.currentTime / target.duration}%`;
}, true);
