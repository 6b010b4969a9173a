#pragma once

namespace Passenger::StatusPage {

/** For small and large screens, in light and dark mode. */
inline constexpr const char *STYLE = R"(:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #fff; --ink: #1c1f23; --quiet: #5b6470; --line: #dde1e6; --link: #0b57d0;
  --good: #146c2e; --good-paper: #dff3e4; --warn: #7a4d00; --warn-paper: #fdeecb; --bad: #b3261e;
  --bad-paper: #fbe1df; --plot: #3b7ddd; --plot-area: #c6dafb;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #121417; --card: #1b1e23; --ink: #e4e7eb; --quiet: #9aa4b1; --line: #333941; --link: #8ab4f8;
    --good: #86d99b; --good-paper: #16361f; --warn: #f2c265; --warn-paper: #3d2f10; --bad: #ff8a80;
    --bad-paper: #45201d; --plot: #8ab4f8; --plot-area: #2c4469 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: .9375rem/1.45 system-ui, sans-serif;
  font-variant-numeric: tabular-nums }
main { max-width: 96rem; margin: 0 auto; padding: 1.25rem 1.5rem 3rem }
a { color: var(--link); text-decoration: none }
a:hover { text-decoration: underline }
p, h1, h2, dl, dd, figure, ol, ul { margin: 0 }
header { margin-bottom: 1rem }
header + p { margin-bottom: .5rem }
h1 { font-size: 1.375rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1rem; margin: 1.5rem 0 .5rem }
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .8125rem }
.sub, small { color: var(--quiet); font-size: .8125rem }
.none { color: var(--quiet) }
.badge { display: inline-block; padding: 0 .5rem; border-radius: 1rem; font-size: .8125rem; font-weight: 500;
  margin: .15rem .25rem .15rem 0; color: var(--quiet); background: var(--line) }
.good.badge { color: var(--good); background: var(--good-paper) }
.warn.badge { color: var(--warn); background: var(--warn-paper) }
.bad.badge { color: var(--bad); background: var(--bad-paper) }
.concerns { list-style: none; padding: 0; margin: 0 0 1rem }
.concerns li { padding: .4rem .75rem; margin-bottom: .25rem; background: var(--card);
    border-left: .25rem solid var(--line);
  overflow-wrap: anywhere }
.concerns .bad { border-color: var(--bad) }
.concerns .warn { border-color: var(--warn) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .5rem; margin: 0 0 1rem }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem .6rem;
  display: flex; flex-direction: column }
.tile span { color: var(--quiet); font-size: .8125rem }
.tile b { font-size: 1.375rem; line-height: 1.3; font-weight: 600; white-space: nowrap }
.tile small { min-height: 1.2em }
.bar { display: block; height: .25rem; margin-top: .3rem; border-radius: 1rem; background: var(--line);
    overflow: hidden }
.bar i { display: block; height: 100%; background: var(--plot) }
.bar.warn i { background: var(--warn) }
.bar.bad i { background: var(--bad) }
table { border-collapse: collapse }
th { font-weight: 600; text-align: left }
.apps { width: 100%; background: var(--card); border: 1px solid var(--line); border-radius: .5rem }
.apps > thead > tr > th { position: sticky; top: 0; background: var(--card); font-size: .8125rem; color: var(--quiet);
  vertical-align: bottom; z-index: 1 }
.apps > * > tr > * { padding: .6rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
.apps > * > tr > :first-child { padding-left: .9rem; max-width: 20rem; overflow-wrap: anywhere }
.apps > tbody > .bad > :first-child { box-shadow: inset .25rem 0 var(--bad) }
.apps > tbody > tr > td { font-size: .8125rem }
.apps > tbody > tr > td > b { font-size: .9375rem }
.summary, .remedy { font-weight: 400; font-size: .8125rem; white-space: pre-wrap; overflow-wrap: anywhere }
.apps .summary, .apps .remedy { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3;
    overflow: hidden }
.apps .remedy { color: var(--quiet); font-weight: 400 }
.apps .sub { font-weight: 400 }
.q th { font-weight: 400; color: var(--quiet); padding: 0 .6rem 0 0; white-space: nowrap }
.q td { text-align: right; padding: 0 0 0 .5rem; white-space: nowrap }
.apps .q th { min-width: 3.4rem }
.apps > tbody > tr > td > p { white-space: nowrap }
.apps .q td { min-width: 3.7rem }
.apps .q .h { display: none }
.q .h td { color: var(--quiet) }
svg { display: block; overflow: visible }
svg .a { fill: var(--plot-area) }
svg .l { fill: none; stroke: var(--plot); stroke-width: 1.25px; vector-effect: non-scaling-stroke }
.s { width: 100%; max-width: 14.5rem; height: 1.5rem; margin-top: .35rem; border-bottom: 1px solid var(--line) }
.apps td:nth-child(4) .s { width: 6rem }
.windows { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 0 2rem }
.windows h2 { margin-top: .25rem }
.failure { background: var(--card); border-left: .25rem solid var(--bad); padding: .6rem .9rem; margin: .75rem 0 }
.failure h2 { margin: 0 0 .25rem }
.failure .summary { font-size: .9375rem; margin-bottom: .25rem }
.failure .remedy { font-size: .9375rem; margin-bottom: .25rem }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: .5rem; margin-top: 1rem }
figure { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem }
figcaption { font-weight: 600; margin-bottom: .5rem }
figcaption small { font-weight: 400; float: right }
figcaption i { display: inline-block; width: .75rem; height: .75rem; border-radius: .15rem;
    margin: 0 .25rem -.05rem .5rem;
  background: var(--plot-area) }
figcaption i.l { height: .15rem; background: var(--plot); margin-bottom: .25rem }
.plot { position: relative; height: 8rem; padding-left: 3.75rem }
.plot svg { width: 100%; height: 100%; border-bottom: 1px solid var(--line);
  background: linear-gradient(var(--line) 1px, transparent 1px) 0 0 / 100% 50% }
.plot span { position: absolute; left: 0; width: 3.25rem; text-align: right; font-size: .75rem; color: var(--quiet);
  transform: translateY(-50%); top: 0 }
.plot span:nth-child(2) { top: 50% }
.plot span:nth-child(3) { top: 100% }
.hours { display: flex; justify-content: space-between; padding: .25rem 0 0 3.75rem; font-size: .75rem;
    color: var(--quiet) }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem }
.list { width: 100%; font-size: .8125rem }
.list th, .list td { padding: .35rem .75rem; border-bottom: 1px solid var(--line); white-space: nowrap;
    vertical-align: top }
.list td:last-child { white-space: normal; min-width: 10rem }
.list thead th { color: var(--quiet) }
.list tr:last-child > * { border-bottom: 0 }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .5rem 1rem; margin-top: 1rem }
dt { color: var(--quiet); font-size: .8125rem }
dd { overflow-wrap: anywhere }
.counts { grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); margin-top: 0 }
.counts dd { font-weight: 600 }
.counts .none dd { font-weight: 400 }
.events { list-style: none; padding: .25rem 0; background: var(--card); border: 1px solid var(--line);
    border-radius: .5rem }
.events li { padding: .2rem .9rem; font-size: .8125rem; overflow-wrap: anywhere }
.events time { color: var(--quiet); margin-right: .5rem }
.events code { font-size: .75rem }
footer { margin-top: 1.5rem; color: var(--quiet); font-size: .8125rem }
footer a { margin-right: .5rem }
.late header .sub::after { content: " – this is an old page: the server does not answer"; color: var(--bad) }
@media (max-width: 70rem) {
  main { padding: 1rem .75rem 2rem }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(6.75rem, 1fr)) }
  .tile b { font-size: 1.25rem }
  .apps, .apps > tbody { display: block; background: none; border: 0 }
  .apps > thead { display: none }
  .apps > tbody > tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem 1rem;
    background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem .9rem;
    margin-bottom: .6rem }
  .apps > tbody > .bad > :first-child { box-shadow: none }
  .apps > tbody > .bad { border-left: .25rem solid var(--bad) }
  .apps > tbody > tr > * { display: block; padding: 0; border: 0 }
  .apps > tbody > tr > :first-child { grid-column: 1 / -1; padding: 0; max-width: none }
  .apps > tbody > tr > td::before { display: block; color: var(--quiet); font-size: .75rem }
  .apps > tbody > tr > .empty { display: none }
  .apps > tbody > tr > td:nth-child(2)::before { content: "Instances" }
  .apps > tbody > tr > td:nth-child(3)::before { content: "Queue" }
  .apps > tbody > tr > td:nth-child(4)::before { content: "Requests a second" }
  .apps > tbody > tr > td:nth-child(5)::before { content: "Queue time" }
  .apps > tbody > tr > td:nth-child(6)::before { content: "Service time" }
  .apps > tbody > tr > td:nth-child(7)::before { content: "Errors" }
  .apps > tbody > tr > td:nth-child(8)::before { content: "Starts and deploys" }
  .apps > tbody > tr > .times { grid-column: span 2 }
  .apps .q { width: 100% }
  .apps .q .h { display: table-row }
  .apps .s { max-width: none }
}
)";

/** Shows times in the reader's time zone, and renews the page every ten seconds while somebody
 *  looks at it and has nothing selected. */
inline constexpr const char *SCRIPT = R"("use strict";
const local = () => {
  for (const one of document.querySelectorAll("time")) {
    one.title = one.textContent;
    one.textContent = new Date(one.dateTime).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
  }
};
const renew = async () => {
  if (document.hidden || !getSelection().isCollapsed) return;
  let fresh = null;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.ok) fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  } catch (error) { }
  document.body.classList.toggle("late", !fresh);
  if (!fresh) return;
  const places = [...document.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  document.querySelector("main").replaceWith(fresh);
  document.querySelectorAll(".scroll").forEach((one, index) => { one.scrollLeft = places[index] || 0; });
  local();
};
local();
setInterval(renew, 10000);
)";

}  // namespace Passenger::StatusPage
