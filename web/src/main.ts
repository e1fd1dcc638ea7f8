import "./app.css";
import { mount } from "svelte";
import { App } from "./app.svelte";
import { streamURL } from "./model/stream";
import Page from "./ui/Page.svelte";

const target = document.getElementById("page");
if (target) mount(Page, { target, props: { app: new App(streamURL(location)) } });
