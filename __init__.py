"""ComfyUI's entry point, nothing else: importing it loads no network and no node."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    # Imported here, not above: pytest runs this file too, and without a parent package.
    from .nodes.extension import FoleyStageExtension

    return FoleyStageExtension()
