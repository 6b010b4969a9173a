#pragma once

namespace Passenger::ErrorPage {

/** For small and large screens, in light and dark mode. */
inline constexpr const char *STYLE = R"(:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1c1f23; --quiet: #5b6470; --line: #dde1e6; --block: #f4f5f7; --accent: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e4e7eb; --quiet: #9aa4b1; --line: #333941; --block: #20242a; --accent: #ff8a80; }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem }
h2 { font-size: 1rem; margin: 1.75rem 0 .5rem }
.summary { border-left: .25rem solid var(--accent); padding: .25rem 0 .25rem 1rem; margin: 1.25rem 0; font-size: 1.1rem;
  overflow-wrap: anywhere }
dl { margin: 0 }
dt { font-weight: 600; margin-top: .9rem }
dd { margin: .15rem 0 0; overflow-wrap: anywhere }
code, pre, td { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .8125rem }
pre { margin: 0; padding: .75rem 1rem; background: var(--block); border: 1px solid var(--line); border-radius: .4rem;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 32rem; overflow-y: auto }
details { margin-top: 1rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--block) }
summary { padding: .6rem 1rem; font-weight: 600; cursor: pointer }
table { border-collapse: collapse; width: 100% }
td { padding: .35rem .5rem .35rem 1rem; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
td:first-child { color: var(--quiet); width: 45% }
@media (max-width: 40rem) {
  td { display: block; padding-right: 1rem }
  td:first-child { width: auto }
  td + td { border-top: 0; padding-top: 0 }
}
)";

}  // namespace Passenger::ErrorPage
