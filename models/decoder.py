"""The decoder: a stock Llama (RMSNorm, RoPE, SwiGLU, GQA, tied embeddings), sized by one row of the family.

Job: forward and loss, with parameter names exactly transformers' LlamaForCausalLM, so that a state dict is a checkpoint.
Ignorance: data, media, training loop. Faster on CPU than the library: logits are made only where there is loss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.vocabulary import AUDIO_BASE, CODES, IMAGE_BASE
from models.family import Member
from models.fsq import LEVELS

ROPE_THETA, NORM_EPS = 10_000.0, 1e-5


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, NORM_EPS)


def rotary(length: int, head: int) -> tuple[Tensor, Tensor]:
    """cos and sin, each (length, head): the two halves rotate together (transformers' layout)."""
    frequency = ROPE_THETA ** -(torch.arange(0, head, 2).float() / head)
    angle = torch.outer(torch.arange(length).float(), frequency).repeat(1, 2)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Attention(nn.Module):
    def __init__(self, member: Member) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head = member.heads, member.kv_heads, member.width // member.heads
        self.q_proj = nn.Linear(member.width, member.width, bias=False)
        self.k_proj = nn.Linear(member.width, self.kv_heads * self.head, bias=False)
        self.v_proj = nn.Linear(member.width, self.kv_heads * self.head, bias=False)
        self.o_proj = nn.Linear(member.width, member.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = (
            proj(x).view(batch, time, -1, self.head).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        k, v = (t.repeat_interleave(self.heads // self.kv_heads, 1) for t in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, time, width))
        return out


class MLP(nn.Module):
    def __init__(self, member: Member) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(member.width, member.hidden, bias=False)
        self.up_proj = nn.Linear(member.width, member.hidden, bias=False)
        self.down_proj = nn.Linear(member.hidden, member.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    def __init__(self, member: Member) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(member.width), RMSNorm(member.width)
        self.self_attn, self.mlp = Attention(member), MLP(member)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        mlp: Tensor = self.mlp(self.post_attention_layernorm(x))
        return x + mlp


class Backbone(nn.Module):
    """Embedded tokens (batch, time, width) to final hidden states; holds the embedding matrix."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(member.vocabulary, member.width)
        self.layers = nn.ModuleList(Layer(member) for _ in range(member.layers))
        self.norm = RMSNorm(member.width)
        cos, sin = rotary(member.context, member.width // member.heads)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        time = x.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:time], self.sin[:time])
        hidden: Tensor = self.norm(x)
        return hidden


def code_levels() -> Tensor:
    """(3969, 32): which of its 9 + 7 + 7 + 9 levels each FSQ code has."""
    codes, columns = torch.arange(CODES), []
    for n in LEVELS:
        columns.append(F.one_hot(codes % n, n))
        codes = codes // n
    return torch.cat(columns, 1).float()


class Decoder(nn.Module):
    """ids (batch, time) -> logits; the head is the embedding matrix.

    While it trains, the embedding of a media code is its own row plus one shared vector for each of its four FSQ levels: what is
    learnt of one code is learnt of its neighbours. `merged` adds the two, and a stock Llama remains.
    """

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member
        self.model = Backbone(member)
        self.factors = nn.Parameter(torch.empty(2, sum(LEVELS), member.width))  # of pictures, of sounds
        self.register_buffer("levels", code_levels(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, std=0.02 / (2 * member.layers) ** 0.5 if residual else 0.02)

    def table(self) -> Tensor:
        """The embedding matrix as it is used, (vocabulary, width)."""
        image, audio = self.levels @ self.factors[0], self.levels @ self.factors[1]
        own = self.model.embed_tokens.weight
        gap = AUDIO_BASE - IMAGE_BASE - CODES
        tail = own.shape[0] - AUDIO_BASE - CODES
        shared = torch.cat([F.pad(image, (0, 0, IMAGE_BASE, gap)), F.pad(audio, (0, 0, 0, tail))])
        return own + shared

    def merged(self) -> dict[str, Tensor]:
        """The state of a stock LlamaForCausalLM."""
        state = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        return state | {"model.embed_tokens.weight": self.table().detach()}

    def hidden(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Final hidden states (batch, time, width), and the embedding matrix."""
        table = self.table()
        return self.model(F.embedding(ids, table)), table

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (batch, time, vocabulary) everywhere: for evaluation and generation."""
        hidden, table = self.hidden(ids)
        return F.linear(hidden, table).float()

    def loss(self, ids: Tensor, weights: Tensor, z: float = 1e-4) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted cross entropy of each next token, with z-loss; the plain nats (n,) of every weighted position; hidden states."""
        hidden, table = self.hidden(ids[:, :-1])
        target, weight = ids[:, 1:], weights[:, 1:]
        at = weight > 0
        logits = F.linear(hidden[at], table).float()
        norm = logits.logsumexp(-1)
        nats = norm - logits.gather(1, target[at].unsqueeze(1)).squeeze(1)
        share = weight[at]
        loss = ((nats + z * norm**2) * share).sum() / share.sum()
        return loss, nats.detach(), hidden
