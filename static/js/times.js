// Keeps relative times true: <time data-keep="ago|age|left"> and strips with data-since and data-until.

const MINUTE = 60, HOUR = 3600, DAY = 86400;

function inWords(seconds) {
  seconds = Math.max(0, Math.floor(seconds));
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) {
    const hours = Math.floor(seconds / HOUR), minutes = Math.floor((seconds % HOUR) / MINUTE);
    return minutes && hours < 6 ? `${hours} h ${minutes} min` : `${hours} h`;
  }
  const days = Math.floor(seconds / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

const WORDS = {
  ago: (seconds) => (seconds < 5 ? "just now" : `${inWords(seconds)} ago`),
  age: (seconds) => inWords(seconds),
  left: (seconds) => (seconds < 0 ? `${inWords(-seconds)} left` : "over"),
};

function keep() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-keep]")) {
    const text = WORDS[time.dataset.keep]((now - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
  for (const strip of document.querySelectorAll("[data-since][data-until]")) {
    const since = Date.parse(strip.dataset.since), until = Date.parse(strip.dataset.until);
    const gone = Math.min(1, Math.max(0, (now - since) / (until - since)));
    strip.dataset.level = gone >= 0.9 ? "late" : gone >= 0.5 ? "half" : "calm";
    strip.querySelector(".used").setAttribute("width", ((1 - gone) * 100).toFixed(1));
  }
}

keep();
setInterval(() => { if (!document.hidden) keep(); }, 1000);
document.addEventListener("visibilitychange", keep);
document.addEventListener("htmx:after:swap", keep);
