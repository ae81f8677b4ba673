/** A Lua script, imported as text: the build writes `x.lua.js` beside the compiled code from each `x.lua`. */
declare module '*.lua.js' {
  const script: string;
  export default script;
}
