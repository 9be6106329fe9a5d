// Denoises the open image or stack with clip-denoise and shows the result.
// Put this file into Fiji's folder "plugins" and restart Fiji: Plugins > Clip Denoise.

if (nImages == 0) exit("Open an image first.");
if (bitDepth() == 24) exit("Split the channels of an RGB image first (Image > Color > Split Channels).");
title = getTitle();

Dialog.create("CLIP Denoise");
Dialog.addString("Command", call("ij.Prefs.get", "clipdenoise.command", "clip-denoise"), 40);
Dialog.addString("Model", call("ij.Prefs.get", "clipdenoise.model", "auto"), 20);
Dialog.addSlider("Strength", 0, 1, 1);
Dialog.addMessage("Command: the path of clip-denoise, such as C:\\envs\\denoise\\Scripts\\clip-denoise.exe");
Dialog.show();
command = Dialog.getString();
model = Dialog.getString();
strength = Dialog.getNumber();
call("ij.Prefs.set", "clipdenoise.command", command);
call("ij.Prefs.set", "clipdenoise.model", model);

stem = getDirectory("temp") + "clip-denoise-" + getTime();
input = stem + "-noisy.tif";
output = stem + "-denoised.tif";
save(input);
showStatus("Denoising " + title + " ...");
told = exec(command, "denoise", input, output, "--model", model, "--strength", d2s(strength, 3));
ok = File.delete(input);
if (!File.exists(output)) exit("clip-denoise gave no result. It said:\n" + told);
open(output);
rename(title + " denoised");
ok = File.delete(output);
print(told);
