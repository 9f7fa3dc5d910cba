//! Pages as a browser shows them: headless Chromium, which loads a file or asks a node.

mod camera;
mod check;
mod chromium;
mod console;
mod devtools;
mod employer;
mod page;
mod paper;
