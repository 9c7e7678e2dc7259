/** The visible texts that stand out too little from what is behind them: [] is well (WCAG 2 AA). */
() => {
  const LEAST = 4.5;

  function channels(colour) {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return { rgb: [red, green, blue], alpha };
  }

  function luminance(rgb) {
    const linear = rgb.map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  }

  function contrast(one, other) {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  }

  function behind(element) {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return rgb;
      if (alpha > 0) throw new Error("a background that shines through is not reckoned with");
    }
    throw new Error("nothing behind");
  }

  function hasText(element) {
    return [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  }

  const visible = [...document.body.querySelectorAll("*")]
    .filter((element) => element.checkVisibility({ checkOpacity: true }));
  const written = visible.filter(hasText).map((element) => [element, getComputedStyle(element)]);
  const placeholder = getComputedStyle(document.querySelector("#input"), "::placeholder");
  written.push([document.querySelector("#input"), placeholder]);
  if (written.length < 10) throw new Error("too little is written here to judge by");
  return written
    .map(([element, { color }]) => [element, contrast(channels(color).rgb, behind(element))])
    .filter(([, ratio]) => ratio < LEAST)
    .map(([element, ratio]) => `${element.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
}
