// On a phone the tabs of a list are wider than the screen: the open one is brought into view.

document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
